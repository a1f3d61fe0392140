import type { Dispatcher } from 'undici';
import { Pool } from 'undici';
import type { Trust } from './tls.ts';
import { trustedConnector } from './tls.ts';

/** How long each part of an exchange may take. */
export type Deadlines = {
  readonly connectMs: number;
  /** Until the answer's headers of a read. */
  readonly readMs: number;
  /** Until the answer's headers of a write: longer than the 30 s after which Proxmox itself answers 596. */
  readonly writeMs: number;
  /** Between two pieces of a body. */
  readonly bodyMs: number;
  /** For the question who is on: any node answers it at once, so one that does not is passed over. */
  readonly membersMs: number;
};

export const defaultDeadlines: Deadlines = {
  connectMs: 3_000,
  readMs: 10_000,
  writeMs: 40_000,
  bodyMs: 10_000,
  membersMs: 1_000,
};

export type Exchange = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body?: string;
};

export type Answer = {
  readonly status: number;
  /** Proxmox puts the first line of its message here; older versions say nothing more. */
  readonly reason: string;
  readonly contentType: string;
  readonly text: string;
};

/** An exchange that brought no complete answer. `sent` false: the server cannot have seen it. */
export class NoAnswer extends Error {
  readonly sent: boolean;
  readonly aborted: boolean;

  constructor(message: string, sent: boolean, aborted: boolean, options?: ErrorOptions) {
    super(message, options);
    this.name = 'NoAnswer';
    this.sent = sent;
    this.aborted = aborted;
  }
}

// Proxmox closes idle connections after 5 s; letting go first avoids writing into a closing one.
const keepAliveMs = 3_000;
// A healthy answer is far smaller; more would be something else than a Proxmox API.
const maxBodyBytes = 64 * 1024 * 1024;

/** One endpoint's connections. */
export class Endpoint {
  readonly url: string;
  readonly #pool: Pool;
  readonly #deadlines: Deadlines;

  constructor(url: string, trust: Trust, deadlines: Deadlines, connections: number) {
    this.url = url;
    this.#deadlines = deadlines;
    this.#pool = new Pool(url, {
      connections,
      pipelining: 1,
      keepAliveTimeout: keepAliveMs,
      keepAliveMaxTimeout: keepAliveMs,
      connect: trustedConnector(trust, deadlines.connectMs),
    });
  }

  /** @param wholeMs - for the whole exchange, where it may not take as long as its parts. @throws NoAnswer and nothing else */
  exchange(request: Exchange, signal?: AbortSignal, wholeMs?: number): Promise<Answer> {
    const { connectMs, readMs, writeMs, bodyMs } = this.#deadlines;
    const headersMs = wholeMs ?? (request.method === 'GET' ? readMs : writeMs);
    return new Promise((resolve, reject) => {
      const progress: { sent: boolean; done: boolean; controller?: Dispatcher.DispatchController } = {
        sent: false,
        done: false,
      };
      const chunks: Buffer[] = [];
      let bytes = 0;
      let answer = { status: 0, reason: '', contentType: '' };

      // The whole wait is bounded too: undici's own timers start only once the request is on a socket.
      const deadline = setTimeout(
        () => fail(new Error(`no answer within ${headersMs} ms`), false),
        wholeMs ?? connectMs + headersMs + bodyMs,
      );
      const fail = (error: Error, aborted: boolean): void => {
        if (progress.done) return;
        finish();
        progress.controller?.abort(error);
        reject(new NoAnswer(error.message, progress.sent, aborted, { cause: error }));
      };
      const abort = (): void => fail(new Error('given up by the caller'), true);
      const finish = (): void => {
        progress.done = true;
        clearTimeout(deadline);
        signal?.removeEventListener('abort', abort);
      };
      if (signal?.aborted === true) {
        abort();
        return;
      }
      signal?.addEventListener('abort', abort, { once: true });

      const handler: Dispatcher.DispatchHandler = {
        onRequestStart(controller) {
          progress.controller = controller;
          if (progress.done) controller.abort(new Error('given up before it was sent'));
          else progress.sent = true;
        },
        onResponseStart(_controller, status, headers, reason) {
          answer = { status, reason: reason ?? '', contentType: String(headers['content-type'] ?? '') };
        },
        onResponseData(_controller, chunk) {
          bytes += chunk.length;
          if (bytes > maxBodyBytes) fail(new Error(`answer larger than ${maxBodyBytes} bytes`), false);
          else chunks.push(chunk);
        },
        onResponseEnd() {
          if (progress.done) return;
          finish();
          resolve({ ...answer, text: Buffer.concat(chunks).toString('utf8') });
        },
        onResponseError(_controller, error) {
          fail(error, false);
        },
      };
      const { body } = request;
      this.#pool.dispatch(
        {
          path: request.path,
          method: request.method,
          headers: request.headers,
          ...(body === undefined ? {} : { body }),
          headersTimeout: headersMs,
          bodyTimeout: bodyMs,
        },
        handler,
      );
    });
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}
