import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { blast } from './peers/blast.ts';
import { generatedStream, recordedStream } from './peers/stream.ts';
import type { Stream } from './peers/stream.ts';

/**
 * Frames per CPU-second (user and system time of the receiving process) through a unix socket, ours and others', on
 * the same frames in one run. `npm run bench -- dnstap [quick] [ours]`: a fifth of the
 * frames; without the others.
 */
export async function run(args: readonly string[] = []): Promise<Record<string, unknown>> {
  compile();
  const quick = args.includes('quick');
  const scale = quick ? 0.2 : 1;
  const recording = fileURLToPath(new URL('../../shared/data/dnstap/knot-resp-20k.fstrm', import.meta.url));
  const generated = generatedStream(200_000, 50_000, 5_000, 7);
  const recorded = existsSync(recording) ? recordedStream(recording) : generated;
  const table: { what: string; frames: number; perCpuSecond: number; note: string }[] = [];
  const note = (what: string, measured: Measured, more = ''): number => {
    table.push({ what, frames: measured.frames, perCpuSecond: measured.perCpuSecond, note: more });
    process.stdout.write(`${what.padEnd(46)}${String(measured.perCpuSecond).padStart(12)}  ${more}\n`);
    return measured.perCpuSecond;
  };
  process.stdout.write(
    `${'frames per CPU-second'.padEnd(46)}${''.padStart(12)}  load before: ${loadavg()[0]!.toFixed(1)}\n`,
  );

  const best = async (times: number, measure: () => Promise<Measured>): Promise<Measured> => {
    const all: Measured[] = [];
    for (let i = 0; i < (quick ? 1 : times); i += 1) all.push(await measure());
    return all.sort((a, b) => b.perCpuSecond - a.perCpuSecond)[0]!;
  };
  const million = Math.round(1_000_000 * scale);

  const namesOnly = await best(3, () => ours(recorded, 4 * million, { names: 5_000, sources: false }));
  const framesPerCpuSecond = note('ours, names only, recorded frames', namesOnly, `${namesOnly.rssMb} MB`);
  const everything = await best(3, () =>
    ours(generated, 4 * million, { names: 5_000, sources: true, eventsPerSecond: 50_000 }),
  );
  const everythingPerCpuSecond = note('ours, everything on, 50,000 sources', everything, `${everything.rssMb} MB`);

  const figures: Record<string, number> = { framesPerCpuSecond, everythingPerCpuSecond, rssMb: everything.rssMb };
  const peers: [string, string, (socket: string) => string[] | undefined, number][] = [
    [
      'fstrm_capture to /dev/null',
      'FstrmCapture',
      (socket) => program('fstrm_capture', '-t', 'protobuf:dnstap.Dnstap', '-u', socket, '-w', '/dev/null'),
      4 * million,
    ],
    ['golang-dnstap -y', 'GolangDnstap', (socket) => goTool('dnstap', '-y', '-u', socket), million / 4],
    ['Go counter (golang-dnstap, miekg/dns)', 'GoCounter', (socket) => goTool('counter', socket), million],
    ['protobufjs and dns-packet', 'Baseline', (socket) => [...compiled('baseline.ts'), socket], million / 4],
  ];
  for (const [what, key, command, frames] of args.includes('ours') ? [] : peers) {
    const measured = await peer(command, recorded, Math.round(frames));
    if (measured === undefined) {
      process.stdout.write(`${what.padEnd(46)}     skipped: not installed\n`);
      continue;
    }
    figures[`per${key}`] = note(what, measured);
    figures[`ratioTo${key}`] = Number((framesPerCpuSecond / measured.perCpuSecond).toFixed(2));
  }

  for (const names of [1_000, 20_000, 100_000]) {
    // Every one of them is asked for.
    const stream = generatedStream(200_000, 50_000, names, 7);
    const measured = await ours(stream, million, { names, sources: true, eventsPerSecond: 50_000 });
    figures[`atNames${names}`] = note(`ours, everything on, ${names} names`, measured, `${measured.rssMb} MB`);
    figures[`rssMbAtNames${names}`] = measured.rssMb;
  }
  for (const senders of [10, 50]) {
    const measured = await ours(recorded, million, { names: 5_000, sources: true, senders });
    figures[`atSenders${senders}`] = note(`ours, everything on, ${senders} senders`, measured, `${measured.rssMb} MB`);
  }

  const pressed = await pressure(generated, scale);
  Object.assign(figures, pressed);
  process.stdout.write(
    `raw senders at twice ${pressed.sustainablePerSecond} frames/s: kept ${percent(pressed.keptShare)}, corrected off by ${percent(pressed.correctedError)} in sum, ${percent(pressed.correctedErrorOfNames)} for the worst of the 20 largest names\n`,
  );
  process.stdout.write(`${JSON.stringify({ bench: 'dnstap', figures })}\n`);
  return { figures, table };
}

const percent = (share: number): string => `${(share * 100).toFixed(2)} %`;

type Measured = { frames: number; perCpuSecond: number; rssMb: number };
type OursOptions = { names: number; sources: boolean; eventsPerSecond?: number; senders?: number };

const here = fileURLToPath(new URL('peers/', import.meta.url));
/** As `docker-compose.yml` runs the collector: what it makes lives for milliseconds, and a wide nursery only costs memory. */
const youngGeneration = '--max-semi-space-size=4';

/** As in production: compiled, without a loader in the process. */
function compiled(file: string): string[] {
  return [process.execPath, join(compiledFolder, 'bench', 'peers', file.replace(/\.ts$/, '.js'))];
}

const root = fileURLToPath(new URL('..', import.meta.url));
const compiledFolder = join(root, 'node_modules', '.cache', 'umbra-bench', 'js');

function compile(): void {
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const how =
    '--target es2023 --module nodenext --types node --rewriteRelativeImportExtensions --skipLibCheck --noCheck';
  const files = ['ours.ts', 'baseline.ts'].map((file) => join(here, file));
  const args = [compiler, '--ignoreConfig', ...how.split(' '), '--rootDir', root, '--outDir', compiledFolder, ...files];
  const made = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`tsc: ${made.stdout}`);
  writeFileSync(join(compiledFolder, 'package.json'), '{"type":"module"}');
}

async function ours(stream: Stream, frames: number, options: OursOptions): Promise<Measured> {
  return await inFolder(async (dir) => {
    const socket = join(dir, 'socket');
    const startedAt = Math.floor(Date.now() / 10_000) * 10_000;
    const settings = { socket, spoolDir: join(dir, 'spool'), shed: false, startedAt, ...options };
    const [node = process.execPath, ...rest] = compiled('ours.ts');
    const child = await start([node, youngGeneration, ...rest, JSON.stringify(settings)], dir);
    const { eventsPerSecond, senders = 1 } = options;
    // Compiled code is what runs for months: the first frames only warm it up. They are not measured.
    const warmUp = Math.round(frames / 8);
    const timeFrom = (offset: number) =>
      eventsPerSecond === undefined ? Date.now : (i: number) => startedAt + ((offset + i) / eventsPerSecond) * 1_000;
    await blast({ socket, stream, frames: warmUp, timeOf: timeFrom(0) });
    const before = cpuSeconds(child);
    const each = Math.round(frames / senders);
    await Promise.all(
      Array.from({ length: senders }, () => blast({ socket, stream, frames: each, timeOf: timeFrom(warmUp) })),
    );
    const after = cpuSeconds(child);
    const told = await ask(child, 'figures');
    const read = Object.values(told.frames).reduce((sum, n) => sum + n, 0);
    const lost = told.frames['late']! + told.frames['shed']!;
    if (read !== warmUp + each * senders || lost > 0)
      throw new Error(`sent ${warmUp + each * senders}: ${JSON.stringify(told.frames)}`);
    await end(child);
    return { frames, perCpuSecond: Math.round((each * senders) / (after - before)), rssMb: Math.round(told.rss / 1e6) };
  });
}

async function peer(
  command: (socket: string) => string[] | undefined,
  stream: Stream,
  frames: number,
): Promise<Measured | undefined> {
  return await inFolder(async (dir) => {
    const socket = join(dir, 'socket');
    const line = command(socket);
    if (line === undefined) return undefined;
    const child = await start(line, dir, socket);
    await blast({ socket, stream, frames: Math.round(frames / 8), timeOf: Date.now });
    await quiet(child);
    const before = cpuSeconds(child);
    await blast({ socket, stream, frames, timeOf: Date.now });
    await quiet(child);
    const measured = { frames, perCpuSecond: Math.round(frames / (cpuSeconds(child) - before)), rssMb: 0 };
    await end(child);
    return measured;
  });
}

type Pressure = {
  sustainablePerSecond: number;
  keptShare: number;
  correctedError: number;
  correctedErrorOfNames: number;
};

/**
 * Two senders that together offer twice what we were seen to take: whole frames are set aside, counted, and added back.
 * The sum over all names is exact by construction; a name's own share is a sample, so the twenty largest are compared.
 */
async function pressure(stream: Stream, scale: number): Promise<Pressure> {
  const press = (shed: boolean, frames: number, perSecond?: number) =>
    inFolder(async (dir) => {
      const socket = join(dir, 'socket');
      const settings = { socket, spoolDir: join(dir, 'spool'), shed, names: 5_000, sources: true };
      const [node = process.execPath, ...rest] = compiled('ours.ts');
      const child = await start([node, youngGeneration, ...rest, JSON.stringify(settings)], dir);
      const began = performance.now();
      const rate = perSecond === undefined ? {} : { perSecond: perSecond / 2 };
      const half = { socket, stream, frames: frames / 2, timeOf: Date.now, ...rate };
      await Promise.all([blast(half), blast(half)]);
      const seconds = (performance.now() - began) / 1_000;
      const told = await ask(child, 'end');
      child.kill('SIGKILL');
      return { told, seconds };
    });
  // Whole rounds of the stream for each sender, so that the truth of each name is known.
  const rounds = Math.max(2, Math.round(40 * scale));
  const frames = 2 * rounds * stream.frames;
  const unhurried = await press(false, frames / 2);
  const sustainablePerSecond = Math.round(frames / 2 / unhurried.seconds);
  const { told } = await press(true, frames, 2 * sustainablePerSecond);
  const { shed = 0 } = told.frames;
  const errors = told.largest.map(([name, corrected]) => {
    const truth = 2 * rounds * stream.perName![Number(name.slice(3, 8))]!;
    return Math.abs(corrected - truth) / truth;
  });
  return {
    sustainablePerSecond,
    keptShare: (frames - shed) / frames,
    correctedError: Math.abs(told.corrected - frames) / frames,
    correctedErrorOfNames: Math.max(...errors),
  };
}

async function inFolder<T>(work: (dir: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), 'umbra-bench-'));
  try {
    return await work(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function start(command: readonly string[], dir: string, socket?: string): Promise<ChildProcess> {
  const [file, ...args] = command as [string, ...string[]];
  const out = socket === undefined || file === process.execPath ? 'pipe' : openSync('/dev/null', 'w');
  const child = spawn(file, args, { stdio: ['pipe', out, 'ignore'] });
  await chmod(dir, 0o755);
  if (child.stdout !== null) await once(child.stdout, 'data');
  for (let i = 0; socket !== undefined && !existsSync(socket); i += 1) {
    if (i > 500 || child.exitCode !== null) throw new Error(`${file} does not listen`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return child;
}

type Told = { frames: Record<string, number>; corrected: number; rss: number; largest: [string, number][] };

async function ask(child: ChildProcess, line: string): Promise<Told> {
  child.stdin!.write(`${line}\n`);
  const [answer] = (await once(child.stdout!, 'data')) as [Buffer];
  return JSON.parse(answer.toString()) as Told;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

/** User and system time of a process, from `/proc/PID/stat` in hundredths. */
function cpuSeconds({ pid }: ChildProcess): number {
  const text = readFileSync(`/proc/${pid!}/stat`, 'latin1');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** A process that has taken no CPU for a while has read all there was. */
async function quiet(child: ChildProcess): Promise<void> {
  for (let last = -1; ;) {
    const now = cpuSeconds(child);
    if (now === last) return;
    last = now;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

function program(name: string, ...args: string[]): string[] | undefined {
  return spawnSync('sh', ['-c', `command -v ${name}`]).status === 0 ? [name, ...args] : undefined;
}

/** Go programs are built once into the cache: golang-dnstap's own tool, and our counter on its library. */
function goTool(name: 'dnstap' | 'counter', ...args: string[]): string[] | undefined {
  const bin = fileURLToPath(new URL('../node_modules/.cache/umbra-bench/bin/', import.meta.url));
  const file = join(bin, name);
  if (!existsSync(file)) {
    const env = { ...process.env, GOBIN: bin };
    const source = join(here, 'counter');
    const made =
      name === 'counter'
        ? spawnSync('go', ['build', '-o', file, '.'], { cwd: source, env })
        : spawnSync('go', ['install', 'github.com/dnstap/golang-dnstap/dnstap@v0.4.0'], { cwd: tmpdir(), env });
    if (made.status !== 0) return undefined;
  }
  return [file, ...args];
}
