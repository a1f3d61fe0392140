import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { loadConfig } from '../config.ts';
import type { Config } from '../config.ts';
import { formatProblem } from '../inventory/problem.ts';
import type { DevPorts } from './dev-ports.ts';
import type { DevServers } from './servers.ts';

export type DevPlaces = {
  readonly dir: string;
  readonly ports: DevPorts;
  readonly servers: DevServers;
  readonly heartbeatSecretFile: string;
  /** Folder of the built dashboard. */
  readonly webRoot: string | undefined;
};

/** The demonstration as umbra.yaml says it, written where `umbra doctor --config` finds it. */
export async function demoConfig({ dir, ports, servers, heartbeatSecretFile, webRoot }: DevPlaces): Promise<Config> {
  const { temporal, names, postgres } = servers;
  const file = join(dir, 'umbra.yaml');
  await writeFile(
    file,
    stringify({
      data: dir,
      temporal: { address: temporal.address, ui: temporal.uiUrl },
      api: { listen: `127.0.0.1:${ports.api}`, ...(webRoot === undefined ? {} : { dashboard: webRoot }) },
      heartbeatSecretFile,
      collector: {
        listen: [`unix:${dnstapSocketIn(dir)}`, `tcp://127.0.0.1:${ports.dnstap}`],
        ...(names.statisticsUrl === undefined ? {} : { statistics: [names.statisticsUrl] }),
      },
      // Something that answers for as long as the demonstration runs.
      monitor: { canary: temporal.address },
    }),
  );
  // The embedded server's password is random and stands in no file that is shown around.
  const { config, problems } = loadConfig(file, { UMBRA_POSTGRES_URL: postgres.url });
  if (config === undefined) throw new Error(problems.map(formatProblem).join('\n'));
  return config;
}

export function dnstapSocketIn(dir: string): string {
  return join(dir, 'dnstap.sock');
}
