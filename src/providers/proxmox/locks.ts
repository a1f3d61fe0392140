/*
 * What can be done to a running guest that somebody's operation has locked. From the recorded steps: Proxmox refuses
 * stop, shutdown, reset and every change of the configuration (links included) under any lock, and exempts `backup` alone
 * for suspend and resume. No token may unlock. The guest's firewall is held by no lock.
 */

/** One thing to try against a guest that must not serve any more. */
export type Rung = 'stop' | 'pause' | 'drop-traffic';

export type Held = {
  /** What keeps the guest, for people. */
  readonly by: string;
  /** What is worth trying, in this order, again and again until one works or the time is over. */
  readonly rungs: readonly Rung[];
  /** What an administrator can do on the guest's node when it does not end by itself. */
  readonly mend: (vmid: number) => string;
};

const unlockAndStop = (vmid: number): string => `qm unlock ${vmid} && qm stop ${vmid}`;
/** Stop works the moment the lock goes: most of these operations end within the time a fence has. */
const untilItEnds = (by: string): Held => ({ by, rungs: ['stop', 'drop-traffic'], mend: unlockAndStop });

const byLock: Readonly<Record<string, Held>> = {
  backup: {
    by: 'a backup of it runs',
    // Standing still does not disturb a backup, and a guest that stands still serves nobody and writes nothing.
    rungs: ['pause', 'drop-traffic'],
    mend: (vmid) => `vzdump --stop ends the backups of that node, then ${unlockAndStop(vmid)}`,
  },
  suspending: untilItEnds('it is being hibernated'),
  suspended: untilItEnds('it is woken from hibernation'),
  snapshot: untilItEnds('a snapshot of it is being made'),
  'snapshot-delete': untilItEnds('a snapshot of it is being deleted'),
  rollback: untilItEnds('it is being set back to a snapshot'),
  migrate: untilItEnds('it is being migrated'),
  clone: untilItEnds('it is being cloned'),
  create: untilItEnds('it is being made or restored'),
};

/** Nobody's lock, and still it did not stop: standing still is another question to QEMU, and may be answered. */
const unlocked: Held = {
  by: 'nothing is known to hold it',
  rungs: ['stop', 'pause', 'drop-traffic'],
  mend: (vmid) => `qm stop ${vmid}, and when that fails: kill $(cat /run/qemu-server/${vmid}.pid)`,
};

/** @param lock - the guest's `lock` as Proxmox shows it; undefined when it has none */
export function heldBy(lock: string | undefined): Held {
  if (lock === undefined) return unlocked;
  return byLock[lock] ?? untilItEnds(`an operation unknown to Umbra ("${lock}") works on it`);
}
