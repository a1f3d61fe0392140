import type { Clock } from '../clock.ts';
import { Refusal } from '../api/refusal.ts';
import { formatUpid } from './upid.ts';
import type { Upid } from './upid.ts';

export type Task = {
  readonly upid: string;
  readonly of: Upid;
  readonly log: string[];
  running: boolean;
  exit: string | undefined;
  endtime: number | undefined;
  /** Aborts when the worker is told to stop, or dies. */
  readonly interrupted: AbortController;
  readonly ended: Promise<void>;
};

/** What a worker may do while it runs. */
export type Worker = {
  readonly log: (line: string) => void;
  /** A warning does not fail the task: it ends `WARNINGS: n`. */
  readonly warn: (line: string) => void;
  /** Time the work takes; ends early, by an error, when the task is stopped or its node dies. */
  readonly takes: (ms: number) => Promise<void>;
};

/** A worker whose process disappeared: it leaves no last line, and nothing it would have cleaned up is cleaned up. */
export class WorkerGone extends Error {}

/** The archive of a node rotates at about a thousand lines, twice. */
const archiveLimit = 2000;

/** The workers of a cluster: forked by a call, watched by their UPID. */
export class Tasks {
  readonly #clock: Clock;
  readonly #byNode = new Map<string, Task[]>();
  readonly #failNext: { type: string; text: string }[] = [];
  readonly #bootedAt: number;
  #pid = 1600;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#bootedAt = clock.now() - 2_500_000;
  }

  /** Forks a worker and returns its task at once. `work` decides by returning or throwing how the task ends. */
  start(node: string, type: string, id: string, user: string, work: (worker: Worker) => Promise<void>): Task {
    this.#pid = (this.#pid % 4_194_304) + 1 + (this.#pid % 3);
    const of: Upid = {
      node,
      pid: this.#pid,
      pstart: Math.floor((this.#clock.now() - this.#bootedAt) / 10),
      starttime: Math.floor(this.#clock.now() / 1000),
      type,
      id,
      user,
    };
    let end = (): void => undefined;
    const task: Task = {
      upid: formatUpid(of),
      of,
      log: [],
      running: true,
      exit: undefined,
      endtime: undefined,
      interrupted: new AbortController(),
      ended: new Promise((resolve) => {
        end = resolve;
      }),
    };
    const ofNode = this.#byNode.get(node) ?? [];
    this.#byNode.set(node, ofNode);
    ofNode.push(task);
    if (ofNode.length > archiveLimit) ofNode.splice(0, ofNode.length - archiveLimit);
    void this.#run(task, work).finally(end);
    return task;
  }

  async #run(task: Task, work: (worker: Worker) => Promise<void>): Promise<void> {
    let warnings = 0;
    const worker: Worker = {
      log: (line) => task.log.push(...line.split('\n')),
      warn: (line) => {
        warnings += 1;
        task.log.push(`WARN: ${line}`);
      },
      takes: async (ms) => {
        await this.#clock.sleep(ms, task.interrupted.signal);
        if (!task.running) throw new WorkerGone();
        if (task.interrupted.signal.aborted) throw new Error('received interrupt');
      },
    };
    const planned = this.#failNext.findIndex((plan) => plan.type === task.of.type);
    try {
      if (planned >= 0) throw new Error(this.#failNext.splice(planned, 1)[0]!.text);
      await work(worker);
      if (task.running) this.#finish(task, warnings > 0 ? `WARNINGS: ${warnings}` : 'OK');
    } catch (error) {
      if (!task.running || error instanceof WorkerGone) return;
      const text = describe(error);
      this.#finish(task, text.replaceAll('\n', ' ').trim());
    }
  }

  #finish(task: Task, exit: string): void {
    task.running = false;
    task.exit = exit;
    task.endtime = Math.floor(this.#clock.now() / 1000);
    task.log.push(exit === 'OK' || exit.startsWith('WARNINGS:') ? `TASK ${exit}` : `TASK ERROR: ${exit}`);
  }

  find(upid: string): Task | undefined {
    const node = upid.split(':')[1] ?? '';
    return this.#byNode.get(node)?.find((task) => task.upid === upid);
  }

  /** Newest first. */
  ofNode(node: string): Task[] {
    return [...(this.#byNode.get(node) ?? [])].reverse();
  }

  /** SIGTERM: the worker ends at its next step. */
  stop(task: Task): void {
    task.interrupted.abort();
  }

  /** As `stop`, for all running tasks of a node that fit. */
  interrupt(node: string, which: (task: Task) => boolean): void {
    for (const task of this.#byNode.get(node) ?? []) if (task.running && which(task)) this.stop(task);
  }

  /** The next task of this type ends with this error before it does anything. */
  failNext(type: string, text: string): void {
    this.#failNext.push({ type, text });
  }

  /** A node lost power: its workers are gone, nobody wrote their last line. */
  killAll(node: string, which: (task: Task) => boolean = () => true): number {
    const gone = (this.#byNode.get(node) ?? []).filter((task) => task.running && which(task));
    for (const task of gone) {
      task.running = false;
      task.exit = 'unexpected status';
      task.endtime = Math.floor(this.#clock.now() / 1000);
      task.interrupted.abort();
    }
    return gone.length;
  }

  get all(): Task[] {
    return [...this.#byNode.values()].flat();
  }
}

/** An error as a worker would print it: parameter errors are listed below their message. */
function describe(error: unknown): string {
  if (!(error instanceof Refusal) || !error.errors) return error instanceof Error ? error.message : String(error);
  const rows = Object.entries(error.errors).map(([key, text]) => `${key}: ${text}`);
  return [error.message, ...rows].join('\n');
}
