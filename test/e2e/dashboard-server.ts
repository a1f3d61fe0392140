import type { Client } from '@temporalio/client';
import { startApi } from '../../src/api/server.ts';
import type { TokenEntry } from '../../src/api/tokens.ts';
import { allowedIn, refusalOf } from '../../src/domain/commands.ts';
import type { Command, CommandResult } from '../../src/domain/commands.ts';
import { parseInstanceId } from '../../src/domain/instance.ts';
import type { Explanation, HostedVmView } from '../../src/domain/view.ts';
import { openStores } from '../../src/composition/stores.ts';
import { ensureDashboardBuilt } from '../../tools/dashboard.mjs';
import { startTestPostgres } from '../support/postgres.ts';
import { foresightReport, forecastFrom } from './dashboard-fleet.ts';

type AskedOfWorkflow = {
  readonly command: string;
  readonly args: { readonly reason: string; readonly actor: string; readonly to?: string };
  /** The workflow's answer; the request waits until it is called. */
  readonly answer: (result: CommandResult) => void;
};

/** The real API and store with the real dashboard; only the workflows behind them are played by the test. */
export async function startDashboardServer() {
  const webRoot = await ensureDashboardBuilt();
  const postgres = await startTestPostgres();
  const database = await postgres.fresh();
  const stores = openStores(database.url);
  const asked: AskedOfWorkflow[] = [];
  const client = playedClient((id) => stores.registry.view(id), asked);
  const options = {
    port: 0,
    client,
    stores,
    forecasts: {
      newest: () => Promise.resolve(forecastFrom(Date.now())),
      foresight: () => Promise.resolve(foresightReport(Date.now())),
    },
    webRoot,
    addresses: () => ({}),
    log: { info: quiet, warn: quiet, error: quiet, debug: quiet, fatal: quiet, trace: quiet, child: () => options.log },
  };
  const api = await startApi({ ...options, host: '127.0.0.1', access: { tokens: [], hosts: [] } });
  return {
    url: api.url,
    stores,
    asked,
    /** A second API on loopback, which a test may end. */
    startAnother: (port = 0) => startApi({ ...options, port, host: '127.0.0.1', access: { tokens: [], hosts: [] } }),
    /** A second API on every address, which therefore asks for tokens. */
    startGuarded: (tokens: readonly TokenEntry[]) =>
      startApi({ ...options, host: '0.0.0.0', access: { tokens, hosts: [] } }),
    close: async () => {
      await api.close();
      await stores.sql.close();
      await postgres.stop();
    },
  };
}

function playedClient(viewOf: (id: string) => Promise<HostedVmView | undefined>, asked: AskedOfWorkflow[]): Client {
  const handle = (workflowId: string) => ({
    query: async (): Promise<unknown> => {
      if (!workflowId.startsWith('hosted-vm/')) throw new Error(`nobody plays ${workflowId}`);
      return explained((await viewOf(workflowId.slice('hosted-vm/'.length)))!);
    },
    executeUpdate: (command: string, { args }: { args: [AskedOfWorkflow['args']] }) =>
      new Promise<CommandResult>((answer) => asked.push({ command, args: args[0], answer })),
  });
  const played = {
    withDeadline: <T>(_deadline: number, work: () => Promise<T>) => work(),
    workflow: { getHandle: handle },
  };
  return played as unknown as Client;
}

/** As the workflow would say it: what is allowed comes from the domain's own table. */
function explained(view: HostedVmView): Explanation {
  const commands = Object.fromEntries(
    (Object.keys(allowedIn) as Command[]).map((command) => {
      const refused = refusalOf(command, view.phase, view.paused !== null);
      return [command, refused === undefined ? { allowed: true } : { allowed: false, reason: refused.reason.text }];
    }),
  ) as Explanation['commands'];
  const primary = parseInstanceId(view.serving[0] ?? view.id).n;
  return {
    sentence: view.sentence,
    why: [`instance ${primary} is healthy at 3 of 3 vantage points`],
    waitsFor: ['the next evaluation in 52s'],
    next: ['if the serving instance fails: move to its shadow'],
    proposal: null,
    commands,
  };
}

function quiet(): void {
  // The tests look at pages, not at the server's log.
}
