import { backUp } from '../cluster/backup.ts';
import { BadCommand, guestNumbered, oneOf } from './words.ts';
import type { Scene, Verb } from './words.ts';

function troubleGuest(scene: Scene, words: readonly string[]): string {
  const { cluster } = scene;
  const vmid = guestNumbered(scene, words[1]);
  const what = oneOf(words[2], 'crash', 'hang', 'drop', 'overload', 'lose-disk', 'pause', 'ok');
  const machine = cluster.machines.get(vmid);
  if (what === 'crash') {
    if (!machine) return `VM ${vmid} was not running; nothing changed`;
    cluster.halt(vmid);
    return `VM ${vmid} has crashed: its QEMU process is gone and its address refuses connections`;
  }
  if (!machine) throw new BadCommand(`VM ${vmid} is not running; start it first`);
  if (what === 'pause') machine.qmp = 'paused';
  else {
    machine.trouble = what === 'ok' ? 'none' : what;
    if (what === 'ok') {
      machine.qmp = 'running';
      machine.frozen = false;
      machine.linksDown.clear();
    }
    if (what === 'lose-disk') machine.qmp = 'running';
  }
  cluster.machines.changed(vmid);
  const now: Record<typeof what, string> = {
    ok: 'answers again',
    hang: 'accepts connections and never answers; Proxmox shows it running',
    drop: 'has lost its network; Proxmox shows it running',
    overload: 'answers after seconds, its CPU is at the limit',
    'lose-disk': 'answers 503: its disk is read-only',
    pause: 'is paused: accepts connections and never answers',
  };
  return `VM ${vmid} ${now[what]}`;
}

function lockGuest(scene: Scene, words: readonly string[]): string {
  const vmid = guestNumbered(scene, words[1]);
  const { config } = scene.cluster.world.guests.get(vmid)!;
  if (words[2] === 'unlock') {
    Reflect.deleteProperty(config.current, 'lock');
    return `VM ${vmid} is not locked`;
  }
  config.current['lock'] = oneOf(
    words[3],
    'backup',
    'clone',
    'create',
    'migrate',
    'rollback',
    'snapshot',
    'snapshot-delete',
    'suspending',
    'suspended',
  );
  return `VM ${vmid} is locked (${words[3] ?? ''})`;
}

/** How long a backup on demand takes: that of a large disk over a slow line. */
const usualBackupSeconds = 900;

/** A vzdump as the cluster's own schedule starts one, by root and to the first storage that takes backups. */
function startBackup(scene: Scene, words: readonly string[]): string {
  const { cluster } = scene;
  const vmid = guestNumbered(scene, words[1]);
  const seconds = Number(words[3] ?? usualBackupSeconds);
  if (!(seconds > 0)) throw new BadCommand(`how many seconds is "${words[3] ?? ''}"?`);
  const { node } = cluster.world.guests.get(vmid)!;
  const storage = [...cluster.world.storages.values()].find(
    ({ id, options }) =>
      options['disable'] !== '1' && (options['content'] ?? '').includes('backup') && !cluster.volumes.offline.has(id),
  );
  if (!storage) throw new BadCommand('no storage of this world takes backups');
  const order = {
    storage: storage.id,
    mode: 'snapshot' as const,
    compress: 'zstd',
    bandwidth: 0,
    stopWaitMs: 600_000,
    durationMs: seconds * 1000,
  };
  const task = cluster.tasks.start(node, 'vzdump', String(vmid), 'root@pam', (worker) =>
    backUp(cluster, node, [vmid], order, worker, 60_000),
  );
  return `VM ${vmid} is being backed up for ${seconds} s and locked (backup): ${task.upid}`;
}

/** The file systems of a guest stand still, as between the two words a backup says to the agent. */
function freezeGuest(scene: Scene, words: readonly string[]): string {
  const vmid = guestNumbered(scene, words[1]);
  const machine = scene.cluster.machines.get(vmid);
  if (!machine) throw new BadCommand(`VM ${vmid} does not run`);
  machine.frozen = words[2] === 'freeze';
  return `the file systems of VM ${vmid} ${machine.frozen ? 'stand still' : 'move again'}`;
}

/** What can be done to one guest; the third word says which. */
export const guestVerbs: readonly Verb[] = [
  {
    form: 'vm <vmid> crash|hang|drop|overload|lose-disk|pause|ok',
    help: 'crash: the process is gone; hang, drop, pause: accepts, never answers; overload: slow; lose-disk: 503',
    run: troubleGuest,
  },
  {
    form: 'vm <vmid> lock <word>|unlock',
    help: 'a stale lock, as a crashed operation leaves one (clone, backup, migrate...)',
    words: ['lock', 'unlock'],
    run: lockGuest,
  },
  {
    form: 'vm <vmid> backup [seconds]',
    help: 'a vzdump that takes this long (900 s unless told), locks the guest and freezes its file systems for a moment',
    words: ['backup'],
    run: startBackup,
  },
  {
    form: 'vm <vmid> freeze|thaw',
    help: 'file systems that stand still: the agent says frozen, and whoever writes waits',
    words: ['freeze', 'thaw'],
    run: freezeGuest,
  },
];
