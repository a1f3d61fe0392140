import { get } from 'node:http';

import type { EpochMs } from '../domain/time.ts';
import type { CollectorLog } from './log.ts';

/** A statistics channel that does not answer within this time is counted as unknown for this bucket. */
const timeoutMs = 2_000;

/** How many frames a server has handed to its dnstap queue, and how many it threw away because that was full. */
type Counters = { readonly success: number; readonly dropped: number };

/** What a server's queue let through since the last look. */
export type DropShare = { readonly share: number | null; readonly dropped: number };

/**
 * Reads BIND's dnstap counters from its statistics channels (`/json/v1/server`, `.dnstapstats`).
 * Looked at once a bucket: the share of a bucket is what was let through between two looks.
 */
export class BindStatistics {
  readonly #urls: readonly string[];
  readonly #log: CollectorLog;
  readonly #last = new Map<string, Counters>();
  readonly #complained = new Set<string>();
  readonly #shares = new Map<EpochMs, DropShare>();

  constructor(urls: readonly string[], log: CollectorLog) {
    this.#urls = urls.map((url) => (url.includes('/json/') ? url : `${url.replace(/\/$/, '')}/json/v1/server`));
    this.#log = log;
  }

  get servers(): number {
    return this.#urls.length;
  }

  /** Takes the counters' movement since the last look as that of the bucket that began at `at`. */
  async look(at: EpochMs): Promise<void> {
    let success = 0;
    let dropped = 0;
    let unknown = this.#urls.length === 0;
    await Promise.all(
      this.#urls.map(async (url) => {
        const counters = await this.#read(url);
        const last = this.#last.get(url);
        if (counters === undefined) {
          unknown = true;
          return;
        }
        this.#last.set(url, counters);
        if (last === undefined) {
          unknown = true;
          return;
        }
        // A restarted server begins again at zero.
        const restarted = counters.success < last.success || counters.dropped < last.dropped;
        success += counters.success - (restarted ? 0 : last.success);
        dropped += counters.dropped - (restarted ? 0 : last.dropped);
      }),
    );
    const share = unknown ? null : success + dropped === 0 ? 1 : success / (success + dropped);
    this.#shares.set(at, { share, dropped });
    for (const old of [...this.#shares.keys()].slice(0, -12)) this.#shares.delete(old);
  }

  shareOf(at: EpochMs): DropShare {
    return this.#shares.get(at) ?? { share: null, dropped: 0 };
  }

  async #read(url: string): Promise<Counters | undefined> {
    try {
      const body = JSON.parse(await textOf(url)) as { dnstapstats?: Record<string, number> };
      this.#complained.delete(url);
      // The counters appear with the first frame.
      const { DNSTAPsuccess = 0, DNSTAPdropped = 0 } = body.dnstapstats ?? {};
      return { success: DNSTAPsuccess, dropped: DNSTAPdropped };
    } catch (error) {
      if (!this.#complained.has(url)) {
        this.#log('warn', `no drop counters from ${url}: ${(error as Error).message}; the observed share is unknown`);
      }
      this.#complained.add(url);
      return undefined;
    }
  }
}

/** By node's own HTTP client: another one would cost the collector ten megabytes for a question every ten seconds. */
async function textOf(url: string): Promise<string> {
  return await new Promise((resolve, reject) => {
    const request = get(url, { timeout: timeoutMs }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => (text += part));
      response.on('end', () =>
        response.statusCode === 200 ? resolve(text) : reject(new Error(`status ${response.statusCode ?? 0}`)),
      );
      response.on('error', reject);
    });
    request.on('timeout', () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    request.on('error', reject);
  });
}
