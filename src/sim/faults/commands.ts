import type { Cluster } from '../cluster/cluster.ts';
import { apiFaults } from './api-faults.ts';
import type { ApiFault, Faults } from './api-faults.ts';

type Scene = { readonly cluster: Cluster; readonly faults: Faults };
type Verb = {
  /** `node <node> off` */
  readonly form: string;
  readonly help: string;
  readonly run: (scene: Scene, words: readonly string[]) => string;
};

/** A command that makes no sense: what was tried, on what, and what would make sense. */
class BadCommand extends Error {}

function nodeNamed({ cluster }: Scene, name: string | undefined): string {
  if (name !== undefined && cluster.world.nodes.has(name)) return name;
  throw new BadCommand(
    `there is no node ${name ?? '(missing)'}; nodes are ${[...cluster.world.nodes.keys()].join(', ')}`,
  );
}

function guestNumbered({ cluster }: Scene, vmid: string | undefined): number {
  const id = Number(vmid);
  if (cluster.world.guests.has(id)) return id;
  const known = [...cluster.world.guests.keys()].sort((a, b) => a - b).join(', ');
  throw new BadCommand(`there is no VM ${vmid ?? '(missing)'}; VMs are ${known}`);
}

function storageNamed({ cluster }: Scene, name: string | undefined): string {
  if (name !== undefined && cluster.world.storages.has(name)) return name;
  throw new BadCommand(
    `there is no storage ${name ?? '(missing)'}; storages are ${[...cluster.world.storages.keys()].join(', ')}`,
  );
}

const oneOf = <Word extends string>(word: string | undefined, ...words: readonly Word[]): Word => {
  const found = words.find((other) => other === word);
  if (found !== undefined) return found;
  throw new BadCommand(`${word ?? '(missing)'} is not one of ${words.join(', ')}`);
};

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

function troubleApi(scene: Scene, words: readonly string[]): string {
  const node = nodeNamed(scene, words[1]);
  const what = oneOf(words[2], 'ok', ...apiFaults);
  if (what === 'ok') {
    scene.faults.clear(node);
    return `the API of ${node} answers normally; held-back calls happen now`;
  }
  const [times, method, path] = /^\d+$/.test(words[3] ?? '') ? words.slice(3) : [undefined, ...words.slice(3)];
  scene.faults.set(node, {
    fault: what satisfies ApiFault,
    left: times === undefined ? Number.POSITIVE_INFINITY : Number(times),
    method: method?.toUpperCase(),
    path,
  });
  const which = `${method === undefined ? 'calls' : `${method.toUpperCase()} calls`}${path === undefined ? '' : ` to ${path}`}`;
  return `the API of ${node}: ${what} for ${times === undefined ? 'all' : `the next ${times}`} ${which}`;
}

function failTask(scene: Scene, words: readonly string[]): string {
  oneOf(words[1], 'fail', 'kill');
  if (words[1] === 'kill') {
    const type = words[2];
    const gone = [...scene.cluster.world.nodes.keys()].reduce(
      (sum, node) => sum + scene.cluster.tasks.killAll(node, (task) => type === undefined || task.of.type === type),
      0,
    );
    return `${gone} running ${type ?? ''} workers were killed; what they had locked stays locked`;
  }
  oneOf(words[2], 'next');
  const type = words[3];
  if (type === undefined) throw new BadCommand('which type of task? For example: task fail next qmclone');
  const text = words.slice(4).join(' ') || 'simulated failure';
  scene.cluster.tasks.failNext(type, text);
  return `the next ${type} will end with: ${text}`;
}

/** Everything that can go wrong on demand, with the words for it. */
export const faultVerbs: readonly Verb[] = [
  {
    form: 'node <node> off|on',
    help: 'power: guests and tasks of the node are gone, its API refuses; on starts guests with onboot',
    run: (scene, words) => {
      const node = nodeNamed(scene, words[1]);
      if (oneOf(words[2], 'off', 'on') === 'off') scene.cluster.powerOff(node, 'somebody pulled the plug');
      else scene.cluster.powerOn(node);
      const guests = [...scene.cluster.world.guests.values()].filter(
        (guest) => guest.node === node && guest.config.current['template'] !== '1',
      ).length;
      return words[2] === 'off'
        ? `${node} is off; ${guests} guests of it do not run`
        : `${node} is on; guests with onboot=1 are starting`;
    },
  },
  {
    form: 'network <node> off|on',
    help: 'the node runs on, nobody reaches it or its guests; with HA its watchdog ends it after a minute',
    run: (scene, words) => {
      const node = nodeNamed(scene, words[1]);
      if (oneOf(words[2], 'off', 'on') === 'off') scene.cluster.isolated.add(node);
      else scene.cluster.isolated.delete(node);
      scene.cluster.nodeChanged(node);
      return words[2] === 'off'
        ? `${node} has no network; its guests run and accept no new answers`
        : `${node} has its network back`;
    },
  },
  {
    form: 'vm <vmid> crash|hang|drop|overload|lose-disk|pause|ok',
    help: 'crash: the process is gone; hang, drop, pause: accepts, never answers; overload: slow; lose-disk: 503',
    run: troubleGuest,
  },
  {
    form: 'vm <vmid> lock <word>|unlock',
    help: 'a stale lock, as a crashed operation leaves one (clone, backup, migrate...)',
    run: () => '',
  },
  {
    form: 'storage <storage> off|on|full',
    help: 'off: nothing on it can be used; full: no space for new volumes',
    run: (scene, words) => {
      const storage = storageNamed(scene, words[1]);
      const what = oneOf(words[2], 'off', 'on', 'full');
      const { offline, full } = scene.cluster.volumes;
      offline.delete(storage);
      full.delete(storage);
      if (what === 'off') offline.add(storage);
      if (what === 'full') full.add(storage);
      return `storage ${storage} is ${what === 'on' ? 'online with its usual space' : what === 'off' ? 'offline' : 'full'}`;
    },
  },
  {
    form: `api <node> ${apiFaults.join('|')}|ok [times] [METHOD] [path]`,
    help: 'the API of a node misbehaves, for all calls or the next few that fit; stall holds writes back until ok',
    run: troubleApi,
  },
  {
    form: 'cluster quorum off|on',
    help: 'writes are refused: cluster not ready - no quorum?',
    run: (scene, words) => {
      oneOf(words[1], 'quorum');
      scene.cluster.quorumLost = oneOf(words[2], 'off', 'on') === 'off';
      return scene.cluster.quorumLost
        ? 'the cluster has no quorum'
        : 'the cluster is quorate as far as its nodes allow';
    },
  },
  {
    form: 'task fail next <type> [text]',
    help: 'the next task of this type (qmclone, qmstart, qmstop...) ends with an error',
    run: failTask,
  },
  {
    form: 'task kill [type]',
    help: 'running workers die at once: tasks end with unexpected status, locks and half-made clones stay',
    run: failTask,
  },
  {
    form: 'ha maintenance <node> on|off',
    help: 'a node in maintenance mode: the HA manager places nothing on it',
    run: (scene, words) => {
      oneOf(words[1], 'maintenance');
      const node = nodeNamed(scene, words[2]);
      if (oneOf(words[3], 'on', 'off') === 'on') scene.cluster.ha.maintenance.add(node);
      else scene.cluster.ha.maintenance.delete(node);
      return `${node} is ${words[3] === 'on' ? 'in' : 'out of'} maintenance mode`;
    },
  },
  {
    form: 'pvestatd off|on',
    help: 'the daemons that publish status stop: everything is unknown until they are back',
    run: (scene, words) => {
      const silent = oneOf(words[1], 'off', 'on') === 'off';
      scene.cluster.view.silence(silent);
      return silent ? 'no node publishes its status; all of it is unknown' : 'every node publishes its status again';
    },
  },
  {
    form: 'agent on|off',
    help: 'whether guest agents answer at all',
    run: (scene, words) => {
      scene.cluster.guestAgents = oneOf(words[1], 'on', 'off') === 'on';
      return `guest agents ${scene.cluster.guestAgents ? 'answer' : 'do not answer'}`;
    },
  },
];

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

/** Does what a line says; answers what is now true, or throws an error that says what would be understood. */
export function runFault(scene: Scene, command: string): string {
  const words = command.trim().split(/\s+/);
  const verbs = faultVerbs.filter((verb) => verb.form.split(' ')[0] === words[0]);
  if (verbs.length === 0) {
    throw new Error(
      `unknown fault "${command}". The simulator understands:\n${faultVerbs.map((verb) => `  ${verb.form}`).join('\n')}`,
    );
  }
  try {
    if (words[0] === 'vm' && (words[2] === 'lock' || words[2] === 'unlock')) return lockGuest(scene, words);
    return verbs[0]!.run(scene, words);
  } catch (error) {
    if (!(error instanceof BadCommand)) throw error;
    throw new Error(`"${command}": ${error.message}. Usage: ${verbs.map((verb) => verb.form).join(' or ')}`, {
      cause: error,
    });
  }
}
