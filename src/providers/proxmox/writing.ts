import type { FailureClass } from '../../ports/errors.ts';
import { isFailure } from './errors.ts';
import type { ConfigChange } from './calls.ts';
import type { GuestConfig } from './guest-config.ts';
import { live } from './guest.ts';
import type { Work } from './site.ts';

// A failed connection is repeated by the caller's own schedule; here only a hiccup is bridged.
const hiccups = 3;
const slowestPauseMs = 15_000;

/**
 * Decides after each failure of a write whether to look and try again. One per operation: it counts.
 * Locks of others are waited for with growing pauses, ambiguous answers are followed by another look.
 */
export class Patience {
  readonly #work: Work;
  readonly #startedAt: number;
  #failures = 0;
  #transient = 0;

  constructor(work: Work) {
    this.#work = work;
    this.#startedAt = work.waiting.now();
  }

  /** Pauses and returns when it is worth another look. @throws the error itself when it is not */
  async after(error: unknown, ...alsoLookAfter: readonly FailureClass[]): Promise<void> {
    const { waiting, timing } = this.#work;
    this.#failures += 1;
    if (waiting.aborted()) throw error;
    if (isFailure(error, 'transient')) this.#transient += 1;
    const worthIt =
      isFailure(error, 'ambiguous', ...alsoLookAfter) ||
      (isFailure(error, 'transient') && this.#transient <= hiccups) ||
      isFailure(error, 'locked');
    if (!worthIt || waiting.now() - this.#startedAt > timing.lockedMs) throw error;
    await waiting.pause(Math.min(slowestPauseMs, timing.lookMs * 1.4 ** this.#failures));
  }
}

/**
 * Brings a guest's configuration to what `wanted` asks of it: read, compare, write with the digest of what was read,
 * read back. A write that is carried out late finds another digest and changes nothing.
 */
export async function ensureConfig(
  work: Work,
  vmid: number,
  wanted: (config: GuestConfig) => ConfigChange | undefined,
): Promise<void> {
  const patience = new Patience(work);
  for (;;) {
    const { view, config } = await live(work, { cluster: work.spec.name, vmid });
    const change = wanted(config);
    if (change === undefined) return;
    try {
      await work.calls.changeConfig(view.node, vmid, change, config['digest']);
    } catch (error) {
      // Moved between our read and our write: it is found anew by the next look.
      await patience.after(error, 'not-found');
    }
  }
}

/** The part of a change that is not so already; undefined when everything is. */
export function remaining(
  config: GuestConfig,
  set: Readonly<Record<string, string | number>>,
  unset: readonly string[] = [],
  same: (key: string, stored: string, wanted: string) => boolean = () => false,
): ConfigChange | undefined {
  const left = Object.entries(set).filter(([key, value]) => {
    const stored = config[key];
    return stored !== String(value) && !(stored !== undefined && same(key, stored, String(value)));
  });
  const gone = unset.filter((key) => config[key] !== undefined);
  if (left.length === 0 && gone.length === 0) return undefined;
  return { set: Object.fromEntries(left), ...(gone.length === 0 ? {} : { delete: gone }) };
}
