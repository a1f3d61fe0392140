import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from '../../../src/domain/commands.ts';
import type { UmbraEvent } from '../../../src/domain/event.ts';
import type { HostedVmSpec } from '../../../src/domain/policy.ts';
import { dayMs, formatDuration, hourMs, minuteMs, parseDuration, secondMs } from '../../../src/domain/time.ts';
import { parseInventory } from '../../../src/inventory/parse.ts';
import { loadWorld } from '../../../src/sim/world/directory.ts';
import { Machines } from './machines.ts';
import type { Machine } from './machines.ts';
import { Timetable } from './timetable.ts';
import { ToldStory } from './told-story.ts';
import { Watchers } from './watchers.ts';
import type { Probed, Seen } from './watchers.ts';

type ScriptLine = { readonly at: string; readonly do: string };

/** 2026-03-03, a quiet Tuesday. */
const tuesday = Date.UTC(2026, 2, 3);
/** The cluster notices that a node is off, or a guest stopped, after this. */
const clusterSeesMs = 12 * secondMs;
/** A guest answers late from this share of its capacity on. */
const saturated = 0.95;

/** What would make the product untrustworthy, looked for after everything that happens. */
class Audit {
  readonly #generations = new Map<string, number>();

  answered(hostedVmId: string, generation: number, addresses: readonly string[], machines: Machines): void {
    if (addresses.length === 0) throw new Error(`${hostedVmId} was given an empty answer`);
    const known = this.#generations.get(hostedVmId) ?? 1;
    if (generation <= known) throw new Error(`${hostedVmId} went from generation ${known} to ${generation}`);
    this.#generations.set(hostedVmId, generation);
    const there = new Set([...machines.guests.values()].map(({ address }) => address));
    const gone = addresses.find((address) => !there.has(address));
    if (gone !== undefined) throw new Error(`${hostedVmId} answers ${gone}, which no guest has`);
  }
}

/** Plays a scenario's folder on virtual time. @returns what an operator would have seen, line by line */
export async function play(folder: string, sharedWorld: string): Promise<string> {
  const script = JSON.parse(await readFile(join(folder, 'script.json'), 'utf8')) as ScriptLine[];
  const { inventory, problems } = parseInventory(await readFile(join(folder, 'inventory.yaml'), 'utf8'));
  if (inventory === undefined) throw new Error(problems.map((problem) => JSON.stringify(problem)).join('\n'));
  const world = await loadWorld(join(folder, 'world')).catch(() => loadWorld(sharedWorld));
  const time = new Timetable(tuesday);
  const machines = new Machines(world, time.now);
  for (const { vmid, node } of world.guests.values()) {
    const spec = inventory.hostedVms.find(({ primary }) => primary.vmid === vmid);
    if (spec !== undefined) machines.guests.set(vmid, primaryMachine(spec, node));
  }
  const lines: string[] = [];
  const audit = new Audit();
  const say = (who: string, kind: string, text: string): void => {
    const what = kind === '' ? text : `${kind.padEnd(20)} ${text}`;
    lines.push(`${stamp(time.now - tuesday).padStart(12)}  ${who.padEnd(6)} ${what}`.trimEnd());
  };
  const told = {
    event: ({ hostedVmId, kind, reason }: UmbraEvent) => {
      say(hostedVmId, kind, reason.text);
    },
    answer: (id: string, generation: number, addresses: readonly string[]) => {
      audit.answered(id, generation, addresses, machines);
      say(id, 'DNS', `${addresses.join(' ')} (generation ${generation})`);
    },
  };
  const stories = inventory.hostedVms.map((spec) => new ToldStory(spec, time, machines, told));
  const watchers = new Watchers(
    time,
    () => stories.flatMap((story) => probedOf(story, machines)),
    (report) => {
      stories.find(({ state }) => report.instance.startsWith(`${state.spec.id}/`))?.hear(report);
    },
  );
  const stage: Stage = { time, machines, stories, watchers };
  for (const story of stories) story.setDemand(0.3 * story.state.spec.capacityQps);
  watchers.stir();
  const instants = new Map<number, string[]>();
  for (const { at, do: what } of script) {
    const ms = tuesday + (parseDuration(at) ?? fail(`${at} is not a duration`));
    instants.set(ms, [...(instants.get(ms) ?? []), what]);
  }
  for (const [instant, whats] of [...instants].sort(([left], [right]) => left - right)) {
    runUntil(stage, instant);
    for (const what of whats) {
      say('>', '', what);
      const refused = happen(stage, what);
      if (refused !== undefined) say('>', '', `refused: ${refused}`);
      watchers.stir();
    }
  }
  for (const story of stories) say(story.state.spec.id, '', `== ${story.sentence()}`);
  return `${lines.join('\n')}\n`;
}

type Stage = {
  readonly time: Timetable;
  readonly machines: Machines;
  readonly stories: readonly ToldStory[];
  readonly watchers: Watchers;
};

function runUntil({ time }: Stage, until: number): void {
  while (time.step(until));
}

/** The vocabulary: that of the simulator's faults, and what only a scenario needs. @returns a refusal's words */
function happen({ time, machines, stories, watchers }: Stage, what: string): string | undefined {
  const [subject, name = '', verb = '', ...more] = what.split(' ');
  const storyOf = (id: string): ToldStory =>
    stories.find(({ state }) => state.spec.id === id) ?? fail(`no hosted VM is called ${id}`);
  switch (subject) {
    case 'wait':
      return undefined;
    case 'node':
      machines.setNode(name, verb === 'on', time.now);
      for (const guest of machines.guests.values())
        if (guest.node === name) tellOfPower(stories, watchers, time, machines, guest);
      return undefined;
    case 'vm': {
      const machine = machines.of(Number(name));
      machine.condition = verb === 'crash' ? 'crashed' : verb === 'hang' ? 'hung' : 'ok';
      if (verb === 'start') machine.power = 'running';
      tellOfPower(stories, watchers, time, machines, machine);
      return undefined;
    }
    case 'monitor':
      watchers.setBlind(name, verb === 'blind');
      return undefined;
    case 'dns':
      machines.dnsAway = name === 'off';
      return undefined;
    case 'demand':
      storyOf(name).setDemand(Number(verb));
      return undefined;
    case 'operator': {
      const byMs = parseDuration(more[0] ?? '');
      return storyOf(name).ask(verb as Command, 'the script says so', byMs === undefined ? {} : { byMs });
    }
    default:
      return fail(`a scenario cannot do "${what}"`);
  }
}

/** Proxmox itself says that a guest does not run, and nothing when it does. */
function tellOfPower(
  stories: readonly ToldStory[],
  watchers: Watchers,
  time: Timetable,
  machines: Machines,
  machine: Machine,
): void {
  const since = time.now;
  time.after(clusterSeesMs, () => {
    const runs = machines.reachable(machine) && machine.condition !== 'crashed' && machine.power === 'running';
    for (const { state } of stories) {
      const instance = state.instances.find(({ vmid }) => vmid === machine.vmid);
      if (instance === undefined) continue;
      const evidence = machines.reachable(machine) ? `VM ${machine.vmid} does not run` : `node ${machine.node} is off`;
      watchers.report(instance.id, 'cluster', 'proxmox', runs ? 'healthy' : 'failed', since, runs ? 'runs' : evidence);
    }
  });
}

function primaryMachine(spec: HostedVmSpec, node: string): Machine {
  const { vmid, address = '10.0.0.1' } = spec.primary;
  return { vmid, node, address, capacityQps: spec.capacityQps, power: 'running', condition: 'ok' };
}

/** Every guest that has an address and should run is probed, and those that should not run too: they may return. */
function probedOf(story: ToldStory, machines: Machines): Probed[] {
  const check = story.state.spec.checks[0] ?? fail('a scenario needs a health check');
  return story.state.instances.flatMap((instance) => {
    const machine = story.machineOf(instance);
    if (machine === undefined || instance.state.kind === 'provisioning' || instance.state.kind === 'deleted') return [];
    if (instance.state.kind === 'warm' && instance.state.warmth !== 'hot') return [];
    return [{ id: instance.id, check, look: () => seen(story, machine, machines) }];
  });
}

function seen(story: ToldStory, machine: Machine, machines: Machines): Seen {
  if (!machines.answers(machine)) {
    const refused = machines.reachable(machine) && machine.condition !== 'hung';
    return refused
      ? { outcome: 'refused', latencyMs: 1, detail: `connection refused on ${machine.address}` }
      : { outcome: 'silent', latencyMs: 1_000, detail: `no answer on ${machine.address}` };
  }
  const serving = story.state.serving.flatMap((id) => story.state.instances.find((each) => each.id === id) ?? []);
  const serves = serving.some(({ vmid }) => vmid === machine.vmid);
  const late = serves && story.demandQps / serving.length > saturated * machine.capacityQps;
  return { outcome: 'ok', latencyMs: late ? 800 : 5, detail: '200 OK' };
}

/** `10m3.2s`, `1d2h`: the same instant is always written the same way. */
function stamp(ms: number): string {
  if (ms < hourMs) {
    const minutes = Math.floor(ms / minuteMs);
    const seconds = Number(((ms % minuteMs) / secondMs).toFixed(2));
    return minutes === 0 ? `${seconds}s` : `${minutes}m${seconds === 0 ? '' : `${seconds}s`}`;
  }
  const days = Math.floor(ms / dayMs);
  const rest = ms % dayMs;
  const clock = `${formatDuration(rest)}${rest >= hourMs && rest % minuteMs >= secondMs ? `${Math.floor((rest % minuteMs) / secondMs)}s` : ''}`;
  return days === 0 ? clock : `${days}d${rest < secondMs ? '' : clock}`;
}

function fail(text: string): never {
  throw new Error(text);
}
