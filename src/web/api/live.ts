import { signal } from '@preact/signals';
import { secondMs } from '../../domain/time.ts';
import { openStream } from './client.ts';
import { parseServerSentEvents } from './server-sent-events.ts';

/** One message of `/api/v1/stream`. `connected` is ours: everything read before may have been missed. */
export type Change = { readonly type: string; readonly id?: string };

/** Whether changes arrive by themselves just now; always in view. */
export const liveness = signal<'connecting' | 'live' | 'reconnecting'>('connecting');

const listeners = new Set<(change: Change) => void>();
const longestPauseMs = 10 * secondMs;

/** @returns ends the subscription */
export function onChange(listener: (change: Change) => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** Keeps the stream open as long as the page lives. The browser's own EventSource cannot send a bearer token. */
export async function stayLive(): Promise<never> {
  for (let failures = 0; ; failures += 1) {
    try {
      const body = await openStream('/stream', new AbortController().signal);
      failures = 0;
      liveness.value = 'live';
      tell({ type: 'connected' });
      for await (const data of parseServerSentEvents(body)) tell(JSON.parse(data) as Change);
    } catch {
      // Said by the mark on every page; the next try follows.
    }
    liveness.value = 'reconnecting';
    const pauseMs = Math.min(longestPauseMs, secondMs * 2 ** failures) * (0.5 + Math.random() / 2);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

function tell(change: Change): void {
  for (const listener of listeners) listener(change);
}
