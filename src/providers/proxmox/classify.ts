import type { FailureClass } from '../../ports/errors.ts';

/** What there is to classify: an HTTP error (with its status) or the exit status of a task (without). */
export type Trouble = {
  readonly status?: number;
  /** Reason phrase, message and parameter errors; or the task's exit status. */
  readonly text: string;
  /** Parameter errors of a 400, by parameter. */
  readonly errors?: Readonly<Record<string, string>>;
};

type Row = { readonly is: FailureClass; readonly statuses?: readonly number[]; readonly text?: RegExp };

/*
 * One table for HTTP errors and task exit statuses: the same condition arrives as either, depending on whether Proxmox
 * noticed it before or after it forked the task. Rows are tried from top to bottom.
 */
const rows: readonly Row[] = [
  { is: 'auth', statuses: [401] },
  // A pool that does not exist is reported as a missing permission.
  { is: 'invalid', text: /pool '[^']*' does not exist/, statuses: [403] },
  { is: 'permission', statuses: [403] },
  { is: 'permission', text: /^Permission check failed|only root (can|may)|Only root may use this option/ },
  // Not executed: the proxy could not reach the node's daemon.
  { is: 'transient', statuses: [595] },
  // The proxy lost sight of a call it had passed on, or a proxy in front of it did.
  { is: 'ambiguous', statuses: [596, 597, 598, 599, 502, 503, 504] },
  { is: 'exists', text: /config file already exists|VM \d+ already exists|failed: File exists|already defined/ },
  {
    is: 'already-done',
    text: /already running|VM \d+ not running|VM \d+ is not running$|template to a template|not HA managed/,
  },
  {
    is: 'locked',
    text: /VM is locked \(|can't lock file|got lock request timeout|trying to acquire lock|locked command timed out|is running - destroy failed/,
  },
  // Somebody else wrote the configuration between our read and our write: read again.
  { is: 'locked', text: /checksum mismatch|detected modified configuration/ },
  { is: 'agent-down', text: /QEMU guest agent is not running|No QEMU guest agent configured/ },
  {
    is: 'quorum',
    text: /cluster not ready - no quorum|no quorum!|ipcc_send_rec\[\d+\] failed|\/etc\/pve\/.*Permission denied|Permission denied.*\/etc\/pve/,
  },
  {
    is: 'capacity',
    text: /not enough free space|No space left on device|storage '[^']*' is (not online|disabled|not available on node)|unable to activate storage|start failed: .*(Cannot allocate memory|out of memory|cannot set up guest memory)/i,
  },
  { is: 'invalid', text: /no such cluster node|hostname lookup '[^']*' failed/ },
  { is: 'invalid', text: /storage '[^']*' does not exist/ },
  {
    is: 'not-found',
    text: /[Cc]onfiguration file '[^']*' does not exist|unable to find configuration file for VM|no such resource|(snapshot|resource|pool) '[^']*' does not exist/,
  },
  // The task was killed, its node died, or its record was rotated away: whether it did its work has to be looked up.
  {
    is: 'ambiguous',
    text: /^unexpected status|no such task|unable to get last line from task log|received interrupt|interrupted by signal|got no worker upid/,
  },
  { is: 'transient', text: /got timeout$|connection timed out|Connection (refused|timed out)|Too many open/i },
  { is: 'invalid', statuses: [400, 501, 506] },
];

/** How a failure should be treated; `permanent` when the table does not know it. */
export function classify(trouble: Trouble): FailureClass {
  const text = [trouble.text, ...Object.values(trouble.errors ?? {})].join('\n');
  const row = rows.find(
    ({ statuses, text: pattern }) =>
      (statuses === undefined || (trouble.status !== undefined && statuses.includes(trouble.status))) &&
      (pattern === undefined || pattern.test(text)),
  );
  return row?.is ?? 'permanent';
}
