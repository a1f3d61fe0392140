import { ProxmoxError } from './errors.ts';

/** Waiting that can be given up. */
export type Waiting = {
  readonly now: () => number;
  readonly aborted: () => boolean;
  /** A pause with jitter. @throws ProxmoxError transient when given up meanwhile */
  readonly pause: (ms: number) => Promise<void>;
};

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
