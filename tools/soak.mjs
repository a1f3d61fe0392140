import { existsSync, readdirSync } from 'node:fs';
import { bootstrap } from './bootstrap.mjs';
import { root, say } from './run.mjs';
import { obtainTemporalCli } from './temporal-server.mjs';

// `npm run soak -- [NAME] [arguments]`: every `soak(args)` of test/soak/*.ts, one after another. Each resolves to counts.
await bootstrap();

const folder = new URL('test/soak/', root);
const names = existsSync(folder)
  ? readdirSync(folder)
      .filter((file) => file.endsWith('.ts'))
      .map((file) => file.slice(0, -'.ts'.length))
      .sort()
  : [];
const [wanted, ...args] = process.argv.slice(2);
if (wanted !== undefined && !names.includes(wanted)) {
  say(`There is no soak test ${wanted}. There are: ${names.join(', ')}`);
  process.exit(2);
}

process.env['TEMPORAL_CLI'] = await obtainTemporalCli({ log: say });
(await import('tsx/esm/api')).register();

let passed = 0;
let failed = 0;
for (const name of wanted === undefined ? names : [wanted]) {
  const { soak } = await import(new URL(`${name}.ts`, folder).href);
  // Files beside the soak tests may hold what they share.
  if (soak === undefined) continue;
  const startedAt = performance.now();
  try {
    const counts = await soak(args);
    passed += 1;
    process.stdout.write(`${JSON.stringify({ soak: name, seconds: seconds(startedAt), counts })}\n`);
  } catch (error) {
    failed += 1;
    say(`soak ${name} failed after ${seconds(startedAt)} s: ${error instanceof Error ? error.stack : String(error)}`);
  }
}
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exit(failed === 0 ? 0 : 1);

function seconds(startedAt) {
  return Number(((performance.now() - startedAt) / 1000).toFixed(1));
}
