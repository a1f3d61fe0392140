import { atMost, flag, like, must, needs, oneOf, pattern, text, whole } from './parameter-words.ts';
import type { Operation } from './operation.ts';
import type { Parameter, Parameters } from './parameters.ts';
import { anybody, atNode, byDaemon, byDaemonAtNode, on, row } from './rows.ts';

const storage = like('pve-storage-id');
const node = must(like('pve-node'));
const jobId: Parameter = must({ ...pattern('\\S+'), maxLength: 50 });

/** What every backup may be told, whether by a call or by a job. */
export const backupOptions: Parameters = {
  all: flag,
  bwlimit: whole(0),
  compress: oneOf('0', '1', 'gzip', 'lzo', 'zstd'),
  dumpdir: text,
  exclude: like('pve-vmid-list'),
  'exclude-path': { type: 'array', optional: true, items: text },
  fleecing: like('backup-fleecing'),
  ionice: whole(0, 8),
  lockwait: whole(0),
  mailnotification: oneOf('always', 'failure'),
  mailto: like('email-or-username-list'),
  maxfiles: whole(1),
  mode: oneOf('snapshot', 'suspend', 'stop'),
  node: like('pve-node'),
  'notes-template': needs('storage', atMost(1024)),
  'notification-mode': oneOf('auto', 'legacy-sendmail', 'notification-system'),
  'pbs-change-detection-mode': oneOf('legacy', 'data', 'metadata'),
  performance: like('backup-performance'),
  pigz: whole(),
  pool: text,
  protected: needs('storage', flag),
  'prune-backups': like('prune-backups'),
  quiet: flag,
  remove: flag,
  script: text,
  stdexcludes: flag,
  stop: flag,
  stopwait: whole(0),
  storage,
  tmpdir: text,
  vmid: like('pve-vmid-list'),
  zstd: whole(),
};

const jobOptions: Parameters = {
  ...backupOptions,
  comment: atMost(512),
  dow: needs('starttime', like('pve-day-of-week-list')),
  enabled: flag,
  'repeat-missed': flag,
  schedule: like('pve-calendar-event', 128),
  starttime: pattern('\\d{1,2}:\\d{1,2}'),
};

const audit = on('/', 'Sys.Audit');
const change = on('/', 'Sys.Modify');
const jobs = '/cluster/backup';

/** Backups of guests, now and by the clock. Who may is asked of each guest and storage by who carries it out. */
export const backupOperations: readonly Operation[] = [
  row(`GET ${jobs}`, audit),
  row(`POST ${jobs}`, change, { ...jobOptions, id: like('pve-configid') }, byDaemon),
  row(`GET ${jobs}/{id}`, audit, { id: jobId }),
  row(`PUT ${jobs}/{id}`, change, { ...jobOptions, id: jobId, delete: like('pve-configid-list') }, byDaemon),
  row(`DELETE ${jobs}/{id}`, change, { id: jobId }, byDaemon),
  row(`GET ${jobs}/{id}/included_volumes`, audit, { id: jobId }, byDaemon),
  row(
    'POST /nodes/{node}/vzdump',
    anybody,
    { ...backupOptions, stdout: flag, 'job-id': { ...jobId, optional: true } },
    byDaemonAtNode,
  ),
  row('GET /nodes/{node}/vzdump/defaults', anybody, { node, storage }, atNode),
  row('GET /nodes/{node}/vzdump/extractconfig', anybody, { node, volume: must(text) }, byDaemonAtNode),
];
