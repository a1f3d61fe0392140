/** How long things take. Every number may be changed, so that a test or a demonstration need not wait. */
export type Timing = {
  /** A wrong credential is answered late, so that guessing is slow. */
  readonly authDelayMs: number;
  /** How long the hop from one process or node to the next may stay silent. */
  readonly proxyTimeoutMs: number;
  /** Until the network says that a machine without power does not answer. */
  readonly unreachableMs: number;
  /** As above for the first who asks after it has lost power: its neighbours still believe in its address. */
  readonly firstUnreachableMs: number;
  /** Until the others call a node off that has lost power. Unrecorded; corosync needs seconds, here they know at once. */
  readonly membershipMs: number;
  /** pvestatd publishes what it sees this often. */
  readonly statusPeriodMs: number;
  /** The firewalls read their files this often. */
  readonly firewallPeriodMs: number;
  /** Age at which what a node published counts for nothing. */
  readonly statusExpiryMs: number;
  /** A lock of the cluster's file system is asked for this long before that is given up. */
  readonly clusterLockMs: number;
  /** From QEMU's start until the guest serves and its agent answers. */
  readonly bootMs: number;
  /** A guest that obeys needs this long to power down. */
  readonly shutdownMs: number;
  readonly startMs: number;
  readonly stopMs: number;
  /** Copying of disks, bytes per second. */
  readonly copyBytesPerSecond: number;
  /** Time a storage is locked while a volume is made: files, and blocks. */
  readonly allocateFileMs: number;
  readonly allocateBlockMs: number;
  readonly configMs: number;
  /** A live migration's transfer, bytes of memory per second. */
  readonly migrateBytesPerSecond: number;
  /** Rounds of the cluster and local resource managers. */
  readonly haRoundMs: number;
  /** A node whose watchdog is not fed resets itself after this. */
  readonly watchdogMs: number;
  /** A silent node is fenced after this. */
  readonly fenceDelayMs: number;
  /** A lock of the cluster's file system outlives its owner by this. */
  readonly lockLifetimeMs: number;
};

/** Values from `reference/proxmox.md` and `proxmox-real.md` where they give one; the others are those of a small cluster with NVMe disks. */
export const usualTiming: Timing = {
  authDelayMs: 3000,
  proxyTimeoutMs: 30_000,
  unreachableMs: 3000,
  firstUnreachableMs: 12_060,
  membershipMs: 0,
  statusPeriodMs: 10_000,
  firewallPeriodMs: 10_000,
  statusExpiryMs: 300_000,
  clusterLockMs: 9900,
  bootMs: 3000,
  shutdownMs: 1500,
  startMs: 700,
  stopMs: 200,
  copyBytesPerSecond: 400 * 2 ** 20,
  allocateFileMs: 120,
  allocateBlockMs: 600,
  configMs: 50,
  migrateBytesPerSecond: 1024 * 2 ** 20,
  haRoundMs: 10_000,
  watchdogMs: 60_000,
  fenceDelayMs: 60_000,
  lockLifetimeMs: 120_000,
};
