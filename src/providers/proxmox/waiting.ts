import { ProxmoxError } from './errors.ts';

/** Waiting that can be given up. */
export type Waiting = {
  readonly now: () => number;
  readonly aborted: () => boolean;
  /** A pause with jitter. @throws ProxmoxError transient when given up meanwhile */
  readonly pause: (ms: number) => Promise<void>;
};

/** Work with one deadline in all. @throws ProxmoxError transient when it ends because of that */
export async function within<T>(
  ms: number,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const deadline = AbortSignal.timeout(ms);
  try {
    return await work(signal === undefined ? deadline : AbortSignal.any([signal, deadline]));
  } catch (error) {
    if (!deadline.aborted || signal?.aborted === true) throw error;
    throw new ProxmoxError(
      {
        operation: 'observe',
        target: 'cluster',
        failureClass: 'transient',
        message: `no answer within ${ms / 1_000} s in all`,
      },
      { cause: error },
    );
  }
}

export function waiting(signal: AbortSignal | undefined): Waiting {
  return {
    now: Date.now,
    aborted: () => signal?.aborted === true,
    pause: async (ms) => {
      const jittered = ms * (0.85 + Math.random() * 0.3);
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', done);
          resolve();
        };
        const timer = setTimeout(done, jittered);
        signal?.addEventListener('abort', done, { once: true });
        if (signal?.aborted === true) done();
      });
      if (signal?.aborted === true) {
        throw new ProxmoxError({
          operation: 'wait',
          target: 'cluster',
          failureClass: 'transient',
          message: 'given up by the caller',
        });
      }
    },
  };
}
