// npm run conformance -- [--transcripts FILE] [--world DIR] [--json]: how much of recorded Proxmox VE the simulator is.
import { dirname, join, resolve } from 'node:path';
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { register } from 'tsx/esm/api';

const fixtures = resolve(import.meta.dirname, '../test/fixtures/proxmox');
const { values } = parseArgs({
  options: { transcripts: { type: 'string' }, world: { type: 'string' }, json: { type: 'boolean', default: false } },
});
const transcripts = values.transcripts ?? process.env['UMBRA_TRANSCRIPTS'] ?? join(fixtures, 'transcripts.json');
const beside = ['proxmox-world', 'world'].map((name) => join(dirname(resolve(transcripts)), name)).find(existsSync);
const world = values.world ?? beside ?? join(fixtures, 'world');

register();
const { conformance } = await import('../src/sim/conformance.ts');
const score = await conformance(transcripts, world);
if (values.json) console.log(JSON.stringify(score));
else {
  for (const { step, name, expected, got } of score.missed) {
    console.log(`step ${step} ${name}\n  expected ${JSON.stringify(expected)}\n  got      ${JSON.stringify(got)}`);
  }
  console.log(`matched ${score.matched} of ${score.of} uncaveated steps`);
}
process.exit(score.missed.length === 0 ? 0 : 1);
