// npm run conformance -- [--transcripts FILE [--world DIR]]... [--misses] [--json]: how much of recorded Proxmox VE the
// simulator is, by area and in all. A recording named alone is looked for beside its world (`transcripts-2.json` and
// `world-2`); without any, those of the tests are replayed. Exits with 1 when a step does not match.
import { basename, dirname, join, resolve } from 'node:path';
import { existsSync, readdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { register } from 'tsx/esm/api';

const fixtures = resolve(import.meta.dirname, '../test/fixtures/proxmox');
const { values } = parseArgs({
  options: {
    transcripts: { type: 'string', multiple: true, default: [] },
    world: { type: 'string', multiple: true, default: [] },
    misses: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const fromEnvironment = process.env['UMBRA_TRANSCRIPTS'];
const named = values.transcripts.length > 0 ? values.transcripts : fromEnvironment ? [fromEnvironment] : [];
const files =
  named.length > 0
    ? named
    : readdirSync(fixtures)
        .flatMap((file) => /^(transcripts.*)\.json$/.exec(file)?.[1] ?? [])
        .sort()
        .map((name) => join(fixtures, `${name}.json`));

function worldBeside(file) {
  const own = basename(file, '.json').replace('transcripts', 'world');
  const beside = [own, 'proxmox-world', 'world'].map((name) => join(dirname(resolve(file)), name));
  return beside.find(existsSync) ?? join(fixtures, 'world');
}

register();
const { conformance } = await import('../src/sim/conformance.ts');
const recordings = [];
for (const [at, file] of files.entries()) {
  recordings.push({ transcripts: file, ...(await conformance(file, values.world[at] ?? worldBeside(file))) });
}
const sum = (count) => recordings.reduce((total, recording) => total + count(recording), 0);
const total = { matched: sum(({ matched }) => matched), of: sum(({ of }) => of) };
if (values.json) {
  console.log(JSON.stringify({ ...total, missed: recordings.flatMap(({ missed }) => missed), recordings }));
} else {
  for (const { transcripts, areas, matched, of, missed } of recordings) {
    console.log(basename(transcripts));
    for (const [area, tally] of Object.entries(areas)) {
      console.log(`  ${area.padEnd(16)} ${tally.matched} of ${tally.of}`);
    }
    console.log(`  ${'in all'.padEnd(16)} ${matched} of ${of}`);
    for (const { step, name, expected, got } of values.misses ? missed : []) {
      console.log(`step ${step} ${name}\n  expected ${JSON.stringify(expected)}\n  got      ${JSON.stringify(got)}`);
    }
    if (!values.misses && missed.length > 0) console.log(`  missed: ${missed.map(({ name }) => name).join('; ')}`);
  }
  console.log(`matched ${total.matched} of ${total.of} uncaveated steps`);
}
process.exitCode = total.matched === total.of ? 0 : 1;
