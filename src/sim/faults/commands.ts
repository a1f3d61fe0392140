import { apiFaults } from './api-faults.ts';
import type { ApiFault } from './api-faults.ts';
import { guestVerbs } from './guest-verbs.ts';
import { BadCommand, nodeNamed, oneOf, storageNamed } from './words.ts';
import type { Scene, Verb } from './words.ts';

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
  ...guestVerbs,
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
    return (verbs.find((verb) => verb.words?.includes(words[2] ?? '')) ?? verbs[0]!).run(scene, words);
  } catch (error) {
    if (!(error instanceof BadCommand)) throw error;
    throw new Error(`"${command}": ${error.message}. Usage: ${verbs.map((verb) => verb.form).join(' or ')}`, {
      cause: error,
    });
  }
}
