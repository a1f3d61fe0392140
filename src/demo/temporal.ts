import { Connection } from '@temporalio/client';
import { searchAttributeTypes } from '../domain/search-attributes.ts';
import { startChild } from './child.ts';

export type TemporalDevServer = { readonly address: string; readonly uiUrl: string; close(): Promise<void> };

const startLimitMs = 30_000;

/** Starts Temporal's development server with its UI on loopback and waits until it answers. */
export async function startTemporalDevServer(options: {
  readonly cli: string;
  readonly port: number;
  readonly uiPort: number;
  readonly metricsPort: number;
  /** Keeps histories in this SQLite file; in memory when absent. */
  readonly dbFile?: string;
  readonly log: (line: string) => void;
}): Promise<TemporalDevServer> {
  const lines: string[] = [];
  const child = startChild(
    options.cli,
    [
      ...[
        'server',
        'start-dev',
        '--ip',
        '127.0.0.1',
        '--port',
        String(options.port),
        '--ui-port',
        String(options.uiPort),
      ],
      ...['--metrics-port', String(options.metricsPort), '--log-level', 'error'],
      ...(options.dbFile === undefined ? [] : ['--db-filename', options.dbFile, '--sqlite-pragma', 'journal_mode=WAL']),
      ...Object.entries(searchAttributeTypes).flatMap(([name, type]) => [
        '--search-attribute',
        `${name}=${cased(type)}`,
      ]),
      ...['--dynamic-config-value', 'frontend.enableServerVersionCheck=false'],
      ...['--dynamic-config-value', 'system.enableActivityEagerExecution=true'],
    ],
    {
      onLine: (line) => {
        lines.push(line);
        if (lines.length > 40) lines.shift();
      },
    },
  );
  const address = `127.0.0.1:${options.port}`;
  const deadline = Date.now() + startLimitMs;
  for (;;) {
    const ended = await Promise.race([child.exited, connects(address)]);
    if (ended === true) break;
    if (typeof ended === 'string' || Date.now() > deadline) {
      await child.close();
      throw new Error(
        `Temporal dev server (${options.cli}) did not come up on ${address}: ${typeof ended === 'string' ? ended : 'no answer'}\n${lines.join('\n')}`,
      );
    }
  }
  return { address, uiUrl: `http://127.0.0.1:${options.uiPort}`, close: () => child.close() };
}

/** The command line writes `Keyword` where the API says `KEYWORD`. */
function cased(type: string): string {
  return `${type[0] ?? ''}${type.slice(1).toLowerCase()}`;
}

async function connects(address: string): Promise<boolean> {
  try {
    const connection = await Connection.connect({ address, connectTimeout: 1_000 });
    try {
      await connection.workflowService.describeNamespace({ namespace: 'default' });
      return true;
    } finally {
      await connection.close();
    }
  } catch {
    await new Promise((resolve) => setTimeout(resolve, 100));
    return false;
  }
}
