import { fileURLToPath } from 'node:url';
import { bootstrap } from './bootstrap.mjs';
import { root, say } from './run.mjs';
import { obtainTemporalCli } from './temporal-server.mjs';

// `npm start`: one process from here to src/main.ts, so that Ctrl-C arrives where it is needed.
const args = process.argv.slice(2);

await bootstrap();

const onlyAsking = args.some((arg) => arg === '--help' || arg === '-h');
if (!onlyAsking) {
  try {
    const { ensureDashboardBuilt } = await import('./dashboard.mjs');
    const [cli, dashboard] = await Promise.all([obtainTemporalCli({ log: say }), ensureDashboardBuilt({ log: say })]);
    // The program looks for both where any operator could point it.
    process.env['TEMPORAL_CLI'] = cli;
    process.env['UMBRA_DASHBOARD'] ??= dashboard;
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    process.exit(1);
  }
}

(await import('tsx/esm/api')).register();
const main = new URL('src/main.ts', root);
process.argv = [process.execPath, fileURLToPath(main), 'dev', ...args];
await import(main.href);
