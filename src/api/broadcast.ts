import type { ServerResponse } from 'node:http';
import { startLoop } from '../background/loop.ts';

/** Pages open at once. Each costs a socket and a few KiB. */
const mostListeners = 500;
/** A reader this far behind is cut off; its page connects again and reads everything anew. */
const mostBehindBytes = 256 * 1024;
/** Proxies close silent connections after 30 s or more. */
const pulseMs = 15_000;

type FleetChange = { readonly type: 'hosted-vm' | 'fleet'; readonly id?: string };

/** Tells open pages what changed, by server-sent events. */
export type Broadcast = {
  /** @returns false when there are too many listeners */
  add(response: ServerResponse, hostedVmId: string | undefined): boolean;
  tell(change: FleetChange): void;
  readonly listeners: number;
  close(): void;
};

export function createBroadcast(): Broadcast {
  const open = new Map<ServerResponse, string | undefined>();
  const send = (response: ServerResponse, text: string): void => {
    if (response.writableLength > mostBehindBytes) response.destroy();
    else response.write(text);
  };
  const pulse = startLoop({
    everyMs: pulseMs,
    firstAfterMs: pulseMs,
    holdsProcess: false,
    round: () => {
      for (const response of open.keys()) send(response, ': still here\n\n');
    },
    // A response that is gone is destroyed, and one destroyed is written to in vain.
    failed: () => undefined,
  });
  return {
    add: (response, hostedVmId) => {
      if (open.size >= mostListeners) return false;
      open.set(response, hostedVmId);
      response.on('close', () => open.delete(response));
      // Flushes the headers, so that the page knows it is live.
      send(response, 'retry: 2000\n\n');
      return true;
    },
    tell: (change) => {
      const text = `data: ${JSON.stringify(change)}\n\n`;
      for (const [response, only] of open) {
        if (only === undefined || change.id === undefined || change.id === only) send(response, text);
      }
    },
    get listeners() {
      return open.size;
    },
    close: () => {
      void pulse.stop();
      for (const response of open.keys()) response.destroy();
    },
  };
}
