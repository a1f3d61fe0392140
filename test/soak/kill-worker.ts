import { isDeepStrictEqual } from 'node:util';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { defineSearchAttributeKey } from '@temporalio/common';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { searchAttributeTypes } from '../../src/domain/search-attributes.ts';
import { expectedEnd, killPoints, runKilledAt } from '../support/killing.ts';
import { obtainTemporalCli } from '../../tools/temporal-server.mjs';

/** Kills the worker at every await of a failover, one run each, and compares where it ends. */
export async function soak(): Promise<Record<string, number>> {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const path = await obtainTemporalCli({ log: (line) => process.stderr.write(`${line}\n`) });
  const counts = { points: 0, same: 0 };
  for (const point of killPoints) {
    const env = await TestWorkflowEnvironment.createLocal({
      server: {
        executable: { type: 'existing-path', path },
        log: { format: 'pretty', level: 'error' },
        searchAttributes: Object.entries(searchAttributeTypes).map(([name, type]) =>
          defineSearchAttributeKey(name, type),
        ),
      },
    });
    try {
      const end = await runKilledAt(env, point);
      counts.points += 1;
      if (isDeepStrictEqual(end, expectedEnd)) counts.same += 1;
      const verdict = isDeepStrictEqual(end, expectedEnd) ? 'same' : JSON.stringify(end);
      process.stderr.write(`killed ${point.when} ${point.call} ${point.nth}: ${verdict}\n`);
    } finally {
      await env.teardown();
    }
  }
  if (counts.same < counts.points)
    throw new Error(`${counts.points - counts.same} of ${counts.points} ended elsewhere`);
  return counts;
}
