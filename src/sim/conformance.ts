import { readFile } from 'node:fs/promises';
import { exchange } from './recordings/exchange.ts';
import type { Response } from './recordings/exchange.ts';
import { isObject, textOf, unordered } from './recordings/rows.ts';
import { startSimulator } from './simulator.ts';
import type { Simulator } from './simulator.ts';
import { loadWorld } from './world/directory.ts';

type Request = {
  readonly method: string;
  readonly path: string;
  readonly form?: Record<string, unknown>;
  readonly json?: unknown;
  readonly body?: string;
  readonly headers?: Record<string, string>;
};
type RecordedTask = {
  readonly type: string;
  readonly id: string;
  readonly exitstatus?: string;
  readonly log?: readonly string[];
};
type Step = {
  readonly name: string;
  /** What the step is about; older recordings say it in the first word of the name. */
  readonly area?: string;
  /** `none`, `raw` (the headers say), or whose token: `root-token` or a word of the other token. */
  readonly auth: string;
  readonly caveat?: string;
  readonly request: Request;
  readonly response: Response;
  readonly task?: RecordedTask;
};
type Miss = { readonly step: number; readonly name: string; readonly expected: unknown; readonly got: unknown };
type Tally = { matched: number; of: number };
/** Steps without a caveat that match, in all and by area. */
export type Score = {
  readonly matched: number;
  readonly of: number;
  readonly areas: Readonly<Record<string, Readonly<Tally>>>;
  readonly missed: readonly Miss[];
};

/** What the recorders did to the cluster between two steps, by the name of the later one, in the words of our faults. */
const beforeStep: Readonly<Record<string, readonly string[]>> = {
  'locked running: current': ['vm 301 lock backup'],
  'no quorum: nodes': ['node pve2 off', 'node pve3 off'],
};

/** Values no two runs share, and how they are recognised. */
const runSpecific: readonly [string, RegExp][] = [
  ['UPID', /UPID:[\w-]+:[0-9A-F]{8}:[0-9A-F]{8,9}:[0-9A-F]{8}:[^:\s]+:[^:\s]*:[^:\s]+:/g],
  ['UUID', /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi],
  ['MAC', /\b[0-9A-F]{2}(?::[0-9A-F]{2}){5}\b/gi],
  ['FINGERPRINT', /\b[0-9A-F]{2}(?::[0-9A-F]{2}){31}\b/gi],
  ['DIGEST', /\b[0-9a-f]{40}\b/g],
  ['INSTANT', /\bctime=\d+\b/g],
];
/** Values that stand for nothing: nodes may share a certificate, and guests an instant. */
const notNames = new Set(['FINGERPRINT', 'INSTANT']);
/** Fields that name the build, the cluster or the address of whoever recorded. */
const ofTheRecorder = new Set(['repoid', 'ip', 'ring0_addr']);
/** Fields whose numbers are instants or processes. */
const instants = new Set([
  'starttime',
  'endtime',
  'pid',
  'pstart',
  'snaptime',
  'uptime',
  'timestamp',
  'time',
  'ctime',
  'next-run',
]);

/**
 * Replays recordings one by one and keeps the books of what stands for what: a task of the recording and ours are the
 * same from the first time they appear, one to one, wherever they appear again.
 */
class Replay {
  readonly #sim: Simulator;
  readonly #ours = new Map<string, string>();
  readonly #theirs = new Map<string, string>();

  constructor(sim: Simulator) {
    this.#sim = sim;
  }

  async run(steps: readonly Step[]): Promise<Score> {
    const missed: Miss[] = [];
    const areas: Record<string, Tally> = {};
    for (const race of races(steps)) {
      for (const { step } of race) for (const fault of beforeStep[step.name] ?? []) await this.#sim.fault(fault);
      const answers = await Promise.all(race.map(({ step }) => this.#send(step)));
      for (const { at, step } of race) {
        // Which of two simultaneous calls wins is chance: each recorded answer takes the first of ours that is like it.
        const like = answers.findIndex((answer) => answer.status === step.response.status);
        const got = answers.splice(Math.max(like, 0), 1)[0]!;
        const task = await this.#taskOf(step, got);
        const differences = this.#compare(step, got, task);
        if (step.caveat !== undefined) continue;
        const tally = (areas[step.area ?? /^[\w-]+/.exec(step.name)![0]] ??= { matched: 0, of: 0 });
        tally.of += 1;
        if (differences === undefined) tally.matched += 1;
        else missed.push({ step: at, name: step.name, ...differences });
      }
    }
    const sum = (count: (tally: Tally) => number): number =>
      Object.values(areas).reduce((total, tally) => total + count(tally), 0);
    return { matched: sum((tally) => tally.matched), of: sum((tally) => tally.of), areas, missed };
  }

  /** Our value for one of the recording's, in a path or a form. */
  #translate(text: string): string {
    let translated = text;
    for (const [theirs, ours] of this.#ours) translated = translated.replaceAll(theirs, ours);
    return translated;
  }

  #authorization(step: Step): Record<string, string> {
    if (step.auth === 'none' || step.auth === 'raw') return {};
    const root = step.auth.startsWith('root');
    const named = this.#sim.tokens.find(({ id }) => id.includes(step.auth));
    const token = named ?? this.#sim.tokens.find(({ id }) => id.startsWith('root@pam!') === root);
    return token ? { authorization: `PVEAPIToken=${token.id}=${token.secret}` } : {};
  }

  async #send(step: Step): Promise<Response> {
    const { method, path, form, json, body, headers } = step.request;
    let payload = body;
    let type: string | undefined;
    if (form !== undefined) {
      type = 'application/x-www-form-urlencoded';
      payload = Object.entries(form)
        .flatMap(([key, value]) =>
          (Array.isArray(value) ? (value as unknown[]) : [value]).map(
            (one) => `${encodeURIComponent(key)}=${encodeURIComponent(this.#translate(textOf(one)))}`,
          ),
        )
        .join('&');
    } else if (json !== undefined) {
      type = 'application/json';
      payload = this.#translate(JSON.stringify(json));
    }
    return exchange(`${this.#sim.url}/api2/json`, method, this.#translate(path), payload, {
      ...(type === undefined ? {} : { 'content-type': type }),
      ...this.#authorization(step),
      ...headers,
    });
  }

  /** When the recording followed a task to its end, so do we. */
  async #taskOf(step: Step, got: Response): Promise<RecordedTask | undefined> {
    const upid = dataOf(got.body);
    if (step.task === undefined || typeof upid !== 'string' || !upid.startsWith('UPID:')) return undefined;
    const task = this.#sim.cluster.tasks.find(upid);
    if (!task) return undefined;
    await task.ended;
    return {
      type: task.of.type,
      id: task.of.id,
      ...(task.exit === undefined ? {} : { exitstatus: task.exit }),
      log: task.log,
    };
  }

  #compare(step: Step, got: Response, task: RecordedTask | undefined): { expected: unknown; got: unknown } | undefined {
    const expected = step.response;
    const pairs: [unknown, unknown][] = [
      [expected.status, got.status],
      [this.#masked(expected.reason), this.#masked(got.reason)],
      [expected.contentType, got.contentType],
    ];
    const left: Record<string, unknown> = {
      status: expected.status,
      reason: expected.reason,
      contentType: expected.contentType,
      body: expected.body,
    };
    const right: Record<string, unknown> = {
      status: got.status,
      reason: got.reason,
      contentType: got.contentType,
      body: got.body,
    };
    if (step.task) {
      pairs.push([step.task.type, task?.type], [step.task.id, task?.id], [step.task.exitstatus, task?.exitstatus]);
      left['task'] = step.task;
      right['task'] = task;
    }
    const plain = pairs.every(([a, b]) => JSON.stringify(a) === JSON.stringify(b));
    return plain && this.#alike(expected.body, got.body) ? undefined : { expected: left, got: right };
  }

  /** Whether two values are the same but for what runs never share; objects without regard to the order of keys. */
  #alike(theirs: unknown, ours: unknown, key = ''): boolean {
    if (typeof theirs === 'string' && typeof ours === 'string') {
      if (ofTheRecorder.has(key)) return true;
      // The kinds of content of a storage come in the order of a hash.
      const sorted = (text: string): string => (key === 'content' ? text.split(',').sort().join() : text);
      return this.#sameText(sorted(theirs), sorted(ours));
    }
    if (typeof theirs === 'number' && typeof ours === 'number' && instants.has(key)) return true;
    if (Array.isArray(theirs) && Array.isArray(ours)) {
      if (theirs.length !== ours.length) return false;
      const [a, b] = unordered(theirs, ours);
      return a.every((item, at) => this.#alike(item, b[at], key));
    }
    if (isObject(theirs) && isObject(ours)) {
      const keys = new Set([...Object.keys(theirs), ...Object.keys(ours)]);
      return [...keys].every((name) => this.#alike(theirs[name], ours[name], name));
    }
    return theirs === ours;
  }

  /** Pairs run-specific values of two texts up, one to one, and compares what is left. */
  #sameText(theirs: string, ours: string): boolean {
    let a = theirs;
    let b = ours;
    for (const [kind, pattern] of runSpecific) {
      const left = a.match(pattern) ?? [];
      const right = b.match(pattern) ?? [];
      if (left.length !== right.length) return false;
      for (const [at, value] of left.entries()) {
        const own = right[at]!;
        if (kind === 'UPID' && value.split(':').slice(5).join(':') !== own.split(':').slice(5).join(':')) return false;
        const bound = this.#ours.get(value);
        if (bound === undefined && this.#theirs.get(own) === undefined) {
          this.#ours.set(value, own);
          this.#theirs.set(own, value);
        } else if (!notNames.has(kind) && bound !== own) return false;
      }
      a = a.replaceAll(pattern, `<${kind}>`);
      b = b.replaceAll(pattern, `<${kind}>`);
    }
    return a === b;
  }

  #masked(text: string): string {
    return runSpecific.reduce((masked, [kind, pattern]) => masked.replaceAll(pattern, `<${kind}>`), text);
  }
}

/** Neighbours that send the same and say that they raced are sent together; everything else is alone. */
function races(steps: readonly Step[]): { at: number; step: Step }[][] {
  const groups: { at: number; step: Step }[][] = [];
  for (const [at, step] of steps.entries()) {
    const before = groups.at(-1)?.[0]?.step;
    const together =
      before !== undefined &&
      [before, step].every(({ caveat }) => caveat?.includes('same instant')) &&
      JSON.stringify(before.request) === JSON.stringify(step.request);
    if (together) groups.at(-1)!.push({ at, step });
    else groups.push([{ at, step }]);
  }
  return groups;
}

const dataOf = (body: unknown): unknown => (isObject(body) ? body['data'] : undefined);

/** Replays a file of recordings against a world, in virtual time. */
export async function conformance(transcripts: string, world: string): Promise<Score> {
  const { steps } = JSON.parse(await readFile(transcripts, 'utf8')) as { steps: Step[] };
  const sim = await startSimulator({
    world: await loadWorld(world),
    host: '127.0.0.1',
    port: 0,
    tls: false,
    clock: 'virtual',
    guests: false,
  });
  try {
    // The recordings come from a cluster whose guests have no agent, and whose nodes do not publish their status.
    await sim.fault('agent off');
    await sim.fault('pvestatd off');
    return await new Replay(sim).run(steps);
  } finally {
    await sim.close();
  }
}
