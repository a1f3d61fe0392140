import { useEffect, useState } from 'preact/hooks';
import { secondMs } from '../../domain/time.ts';
import { ApiError, read } from './client.ts';
import { onChange } from './live.ts';
import type { Change } from './live.ts';

export type Resource<Answer> = {
  /** The newest answer; kept while the next is on its way or has failed. */
  readonly answer: Answer | undefined;
  readonly trouble: string | undefined;
  /** True when the API has nothing at this path. */
  readonly absent: boolean;
};

/** A burst of changes is read once. */
const gatherMs = secondMs / 2;

/**
 * Reads `path` now, again every `everyMs`, and soon after each change that `concerns` it.
 * An empty path reads nothing.
 */
export function useResource<Answer>(
  path: string,
  options: { readonly everyMs: number; readonly concerns?: (change: Change) => boolean },
): Resource<Answer> {
  const [state, setState] = useState<Resource<Answer> & { path: string }>({
    path,
    answer: undefined,
    trouble: undefined,
    absent: false,
  });
  useEffect(() => {
    if (path === '') return undefined;
    const ended = new AbortController();
    const readIt = async (): Promise<void> => {
      try {
        const answer = await read<Answer>(path, ended.signal);
        setState({ path, answer, trouble: undefined, absent: false });
      } catch (error) {
        if (ended.signal.aborted) return;
        const trouble = error instanceof Error ? error.message : String(error);
        const absent = error instanceof ApiError && error.status === 404;
        setState((old) => ({ path, answer: old.path === path && !absent ? old.answer : undefined, trouble, absent }));
      }
    };
    let soon: ReturnType<typeof setTimeout> | undefined;
    const stop = onChange((change) => {
      if (change.type !== 'connected' && change.type !== 'fleet' && options.concerns?.(change) !== true) return;
      soon ??= setTimeout(() => {
        soon = undefined;
        void readIt();
      }, gatherMs);
    });
    const timer = setInterval(() => void readIt(), options.everyMs);
    void readIt();
    return () => {
      ended.abort();
      stop();
      clearInterval(timer);
      clearTimeout(soon);
    };
  }, [path]);
  return state.path === path ? state : { answer: undefined, trouble: undefined, absent: false };
}
