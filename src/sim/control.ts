import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { faultVerbs } from './faults/commands.ts';

/** Commands are lines of words. */
const longestCommandBytes = 4096;

/**
 * Where other processes ask the simulator for faults: `POST /umbra-sim/fault` with `{"command": "..."}`, answered by
 * `{"now": "..."}` or 400 `{"error": "..."}`; `GET /umbra-sim/faults` lists the vocabulary. Loopback only, and only
 * `application/json`, which a web page elsewhere cannot send without asking.
 */
export async function listenForCommands(
  { host, port }: { readonly host: string; readonly port: number },
  fault: (command: string) => Promise<string>,
): Promise<{ url: string; server: Server }> {
  const server = createServer((request, response) => {
    const answer = (status: number, body: unknown): void => {
      response.writeHead(status, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify(body));
    };
    if (request.method === 'GET' && request.url === '/umbra-sim/faults') {
      answer(
        200,
        faultVerbs.map(({ form, help }) => ({ form, help })),
      );
      return;
    }
    if (
      request.method !== 'POST' ||
      request.url !== '/umbra-sim/fault' ||
      !/^application\/json\b/.test(request.headers['content-type'] ?? '')
    ) {
      answer(404, {
        error: 'POST /umbra-sim/fault with {"command": "..."} as application/json, or GET /umbra-sim/faults',
      });
      return;
    }
    let text = '';
    request.on('data', (chunk: Buffer) => {
      if (text.length <= longestCommandBytes) text += chunk.toString('utf8');
    });
    request.on('end', () => {
      Promise.resolve()
        .then(() => {
          const { command } = JSON.parse(text) as { command?: unknown };
          if (typeof command !== 'string') throw new Error('the body needs "command", a line of the fault vocabulary');
          return fault(command);
        })
        .then((now) => answer(200, { now }))
        .catch((error: unknown) => answer(400, { error: error instanceof Error ? error.message : String(error) }));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return { url: `http://${host}:${(server.address() as AddressInfo).port}`, server };
}
