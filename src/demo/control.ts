import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseDuration } from '../domain/time.ts';
import type { RunningLoad } from './load.ts';

/** Takes faults of the simulator and crowds of the load generator from `umbra sim fault`, on loopback. */
export type Control = { readonly url: string; close(): Promise<void> };

const crowdHelp = 'crowd VM FACTORx FOR, as in: crowd shop 6x 2m';
const longestCommandBytes = 4_096;

/** @param fault runs a command of the simulator's vocabulary */
export async function listenForControl(
  fault: (command: string) => Promise<string>,
  load: RunningLoad,
  ids: readonly string[],
): Promise<Control> {
  const run = async (command: string): Promise<string> =>
    command.trim().startsWith('crowd') ? crowd(command, load, ids) : await fault(command);
  const server = createServer((request, response) => {
    const answer = (status: number, body: object): void => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    };
    // A page elsewhere can post forms and text to loopback, but not JSON without asking first.
    const isJson = request.headers['content-type']?.startsWith('application/json') === true;
    if (request.method !== 'POST' || request.url !== '/umbra-sim/fault' || !isJson) {
      answer(404, { error: 'POST {"command": "..."} as application/json to /umbra-sim/fault' });
      return;
    }
    let text = '';
    request.setEncoding('utf8').on('data', (chunk: string) => {
      if (text.length < longestCommandBytes) text += chunk;
    });
    request.on('end', () => {
      Promise.resolve()
        .then(() => (JSON.parse(text) as { command?: unknown }).command)
        .then((command) => {
          if (typeof command !== 'string') throw new Error('the body must be {"command": "..."}');
          return run(command);
        })
        .then((now) => answer(200, { now }))
        .catch((error: unknown) => answer(400, { error: error instanceof Error ? error.message : String(error) }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function crowd(command: string, load: RunningLoad, ids: readonly string[]): string {
  const match = /^crowd\s+(\S+)\s+(\d+(?:\.\d+)?)x\s+(\S+)$/.exec(command.trim());
  const forMs = match === null ? undefined : parseDuration(match[3]!);
  if (match === null || forMs === undefined) throw new Error(`write ${crowdHelp}`);
  const [, id = '', factor = ''] = match;
  if (!ids.includes(id)) throw new Error(`no hosted VM ${id}: there are ${ids.join(', ')}`);
  load.flashCrowd(id, Number(factor), forMs);
  return `demand on ${id} is ${factor} times as high for ${match[3]!}`;
}
