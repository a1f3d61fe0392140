import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { chmodSync, mkdirSync, mkdtempSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import packet from 'dns-packet';
import { handedOver } from './handed-over.ts';

const program = fileURLToPath(new URL('../../bin/umbra', import.meta.url));
/** `npm start` takes 20 s on two free cores; a test machine is rarely free. */
const bootMs = 150_000;
/** The answer of a name server on loopback; it may be asked again. */
const answerMs = 1_000;

export type Ended = { readonly code: number | null; readonly out: string; readonly err: string };

/** What `umbra list --json` tells of one hosted VM. */
export type Listed = {
  readonly id: string;
  readonly state: string;
  readonly primary: { readonly vmid: number | null };
  readonly shadows: readonly { readonly vmid: number | null; readonly tier: number; readonly state: string }[];
  readonly risk: number | null;
};

/** Somebody's machine: a home and a temporary folder of their own, and `bin/umbra` run from there. */
export class Desk {
  readonly home: string;
  readonly #temporary: string;

  constructor() {
    this.home = mkdtempSync(join(tmpdir(), 'umbra-e2e-'));
    this.#temporary = join(this.home, 'tmp');
    mkdirSync(this.#temporary);
    // PostgreSQL runs as another account when the tests run as root.
    chmodSync(this.home, 0o755);
    chmodSync(this.#temporary, 0o777);
  }

  get environment(): NodeJS.ProcessEnv {
    const { PATH, HOME } = process.env;
    const cli = process.env[handedOver.temporalCli];
    return {
      ...{ PATH, HOME, USER: 'ada', NO_COLOR: '1', TMPDIR: this.#temporary, XDG_STATE_HOME: join(this.home, 'state') },
      ...(cli === undefined ? {} : { TEMPORAL_CLI: cli }),
    };
  }

  /** Runs one verb to its end. */
  run(...args: readonly string[]): Promise<Ended> {
    return new Promise((resolve, reject) => {
      const child = spawn(program, args, { cwd: this.home, env: this.environment, stdio: ['ignore', 'pipe', 'pipe'] });
      const said = listen(child);
      child.on('error', reject);
      child.on('close', (code) => resolve({ code, ...said }));
    });
  }

  /** Runs one verb that must succeed. @returns what it printed */
  async umbra(...args: readonly string[]): Promise<string> {
    const { code, out, err } = await this.run(...args);
    if (code !== 0) throw new Error(`umbra ${args.join(' ')} ended with ${code}: ${err}${out}`);
    return out;
  }

  async json<T>(...args: readonly string[]): Promise<T> {
    return JSON.parse(await this.umbra(...args, '--json')) as T;
  }

  async listed(id: string): Promise<Listed> {
    const found = (await this.json<Listed[]>('list')).find((each) => each.id === id);
    if (found === undefined) throw new Error(`umbra list does not know ${id}`);
    return found;
  }

  /** Starts `umbra dev` and waits until it says that it is up. */
  async dev(...args: readonly string[]): Promise<Dev> {
    // Two instances that look for free ports in the same moment find the same ones.
    const leave = await enterAlone();
    try {
      const child = spawn(program, ['dev', ...args], {
        cwd: this.home,
        env: this.environment,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const said = listen(child);
      const dev = new Dev(child, said);
      await until('umbra dev is up', () => said.out.includes('Umbra is up') || dev.ended, bootMs).catch(
        async (error: unknown) => {
          await dev.kill();
          throw new Error(`${String(error)}\n${said.out}${said.err}`);
        },
      );
      if (dev.ended) throw new Error(`umbra dev ended:\n${said.out}${said.err}`);
      return dev;
    } finally {
      leave();
    }
  }

  close(): void {
    rmSync(this.home, { recursive: true, force: true });
  }
}

/** A running `umbra dev`. */
export class Dev {
  readonly #child: ChildProcess;
  readonly #said: { readonly out: string; readonly err: string };

  constructor(child: ChildProcess, said: { readonly out: string; readonly err: string }) {
    this.#child = child;
    this.#said = said;
  }

  get output(): string {
    return this.#said.out + this.#said.err;
  }

  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Ctrl-C. @returns how long it took to end, its exit code, and the processes of its that still run a moment later */
  async interrupt(): Promise<{ ms: number; code: number | null; left: readonly string[] }> {
    const before = await descendantsOf(this.#child.pid!);
    const begun = performance.now();
    this.#child.kill('SIGINT');
    await until('umbra dev ends', () => this.ended, 20_000);
    const ms = performance.now() - begun;
    const running = async (): Promise<string[]> => {
      const all = await processes();
      return before.flatMap((pid) => all.filter((each) => each.pid === pid).map(({ command }) => command));
    };
    // The guardian of PostgreSQL notices by the pipe that breaks, and esbuild likewise. Where the machine is so busy that
    // not all ended in order, it has a server to stop first.
    const gone = await until('its children end', async () => (await running()).length === 0, 12_000).catch(() => false);
    return { ms, code: this.#child.exitCode, left: gone ? [] : await running() };
  }

  /** For the end of a test that failed. */
  async kill(): Promise<void> {
    if (this.ended) return;
    const children = await descendantsOf(this.#child.pid!);
    this.#child.kill('SIGINT');
    await until('umbra dev ends', () => this.ended, 10_000).catch(() => this.#child.kill('SIGKILL'));
    for (const pid of children) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended with its parent.
      }
    }
  }
}

/** One question over UDP, written and read by a library that is not ours. @returns addresses or texts, sorted */
export async function dig(server: string, name: string, type: 'A' | 'TXT' = 'A'): Promise<string[]> {
  const [host = '', port = ''] = server.split(':');
  const socket = createSocket('udp4');
  try {
    const id = Math.floor(Math.random() * 65_536);
    const reply = await new Promise<packet.DecodedPacket>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${server} does not answer for ${name}`)), answerMs);
      socket.on('error', reject);
      socket.on('message', (bytes) => {
        const decoded = packet.decode(bytes);
        if (decoded.id !== id) return;
        clearTimeout(timer);
        resolve(decoded);
      });
      socket.send(packet.encode({ type: 'query', id, questions: [{ type, name }] }), Number(port), host);
    });
    return (reply.answers ?? [])
      .flatMap((answer) => {
        if (answer.type === 'A') return [answer.data];
        return answer.type === 'TXT' ? [String(answer.data)] : [];
      })
      .sort();
  } finally {
    socket.close();
  }
}

/** Waits until it is true. @returns what it was; throws with what was waited for, and how it was at last */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  patienceMs: number,
): Promise<Exclude<T, false | '' | null | undefined>> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    let last: unknown;
    try {
      const seen = await look();
      if (seen) return seen as Exclude<T, false | '' | null | undefined>;
      last = seen;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) throw new Error(`waited ${patienceMs / 1_000} s in vain: ${what} (${String(last)})`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function listen(child: ChildProcess): { out: string; err: string } {
  const said = { out: '', err: '' };
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (said.out += text));
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (said.err += text));
  return said;
}

/** Test files run beside each other; this lets one in at a time. */
async function enterAlone(): Promise<() => void> {
  const door = join(tmpdir(), `umbra-e2e-door-${process.ppid}`);
  await until(
    'another test has started its instance',
    () => {
      mkdirSync(door);
      return true;
    },
    bootMs,
  );
  return () => rmdirSync(door);
}

type Process = { readonly pid: number; readonly parent: number; readonly command: string };

/** All that run; those that have ended and wait for their parent to notice do not. */
async function processes(): Promise<Process[]> {
  const text = await new Promise<string>((resolve, reject) => {
    execFile('ps', ['-eo', 'pid=,ppid=,stat=,args='], { maxBuffer: 2 ** 24 }, (error, out) => {
      if (error === null) resolve(out);
      else reject(new Error('ps failed', { cause: error }));
    });
  });
  return text.split('\n').flatMap((line) => {
    const [, pid = '', parent = '', state = 'Z', command = ''] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    return state.startsWith('Z') ? [] : [{ pid: Number(pid), parent: Number(parent), command }];
  });
}

async function descendantsOf(pid: number): Promise<number[]> {
  const all = await processes();
  const found = [pid];
  for (const parent of found) found.push(...all.filter((each) => each.parent === parent).map((each) => each.pid));
  return found;
}
