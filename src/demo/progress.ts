import type { Logger } from 'pino';

type End = () => unknown;

/** What has been started, each with its end: whatever goes wrong half-way, everything before it is ended. */
export class Progress {
  readonly #print: (line: string) => void;
  readonly #log: Logger;
  readonly #ends: End[] = [];

  constructor(print: (line: string) => void, log: Logger) {
    this.#print = print;
    this.#log = log;
  }

  /** One line with what it took. @throws Error that names the step */
  async step<T>(what: string, work: () => Promise<T>): Promise<T> {
    const from = performance.now();
    try {
      const result = await work();
      this.#print(`  ${what.padEnd(46, ' ')} ${((performance.now() - from) / 1_000).toFixed(1)} s`);
      return result;
    } catch (error) {
      throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }

  /** Ended before everything that was started earlier. */
  started(end: End): void {
    this.#ends.push(end);
  }

  /** A server that others stand on: ended after everything that is not one. */
  serverStarted(end: End): void {
    this.#ends.unshift(end);
  }

  /** In the order of dependence: who asks ends before who answers. */
  async end(): Promise<void> {
    for (const end of this.#ends.toReversed()) {
      await Promise.resolve(end()).catch((error: unknown) =>
        this.#log.warn({ error: String(error) }, 'while stopping'),
      );
    }
  }
}
