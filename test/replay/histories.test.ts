import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, jest, test } from '@jest/globals';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { workflowBundle } from '../support/temporal.ts';

Runtime.install({ logger: new DefaultLogger('ERROR') });
jest.setTimeout(60_000);

const folder = new URL('../histories/', import.meta.url);

/*
 * Recorded by `UMBRA_RECORD_HISTORIES=1 npx jest test/integration/workflows --selectProjects integration`: one file for
 * each situation, in it the histories of the hosted VM and of its instances. A change of a workflow that cannot replay
 * them would stall a live fleet: guard it with `patched`, do not record anew.
 */
describe('the workflows replay', () => {
  const files = readdirSync(folder).filter((name) => name.endsWith('.json.gz'));

  test('there is something to replay', () => {
    expect(files.length).toBeGreaterThanOrEqual(10);
  });

  test.each(files.map((name) => name.replace('.json.gz', '')))('%s', async (name) => {
    const recorded = JSON.parse(gunzipSync(readFileSync(new URL(`${name}.json.gz`, folder))).toString()) as Record<
      string,
      unknown
    >;
    for (const [workflowId, history] of Object.entries(recorded)) {
      await Worker.runReplayHistory({ workflowBundle: workflowBundle() }, history, workflowId);
    }
    expect(Object.keys(recorded).length).toBeGreaterThan(0);
  });
});
