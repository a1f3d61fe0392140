import { isDeepStrictEqual } from 'node:util';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { defineSearchAttributeKey } from '@temporalio/common';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { searchAttributeTypes } from '../../src/domain/search-attributes.ts';
import { expectedEnd, killPoints, runKilledAt } from '../support/killing.ts';
import { obtainTemporalCli } from '../../tools/temporal-server.mjs';

/**
 * Kills the worker at every await of a failover, one run each, and compares where it ends.
 * `npm run soak -- kill-worker [first] [count]`.
 */
export async function soak(args: readonly string[] = []): Promise<Record<string, unknown>> {
  const first = Number(args[0] ?? 0);
  const chosen = killPoints.slice(first, first + Number(args[1] ?? killPoints.length));
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const path = await obtainTemporalCli({ log: (line) => process.stderr.write(`${line}\n`) });
  const counts = { points: 0, same: 0, secondClones: 0, duplicateRecords: 0, elsewhere: [] as string[] };
  for (const point of chosen) {
    const env = await TestWorkflowEnvironment.createLocal({
      server: {
        executable: { type: 'existing-path', path },
        log: { format: 'pretty', level: 'error' },
        searchAttributes: Object.entries(searchAttributeTypes).map(([name, type]) =>
          defineSearchAttributeKey(name, type),
        ),
      },
    });
    const name = `${point.when} ${point.call} ${point.nth}${point.warmth === undefined ? '' : ` ${point.warmth}`}`;
    try {
      const end = await runKilledAt(env, point);
      counts.points += 1;
      counts.secondClones += end.clones.length - new Set(end.clones).size;
      counts.duplicateRecords += end.generations.length - new Set(end.generations).size + end.duplicateEvents;
      if (isDeepStrictEqual(end, expectedEnd)) counts.same += 1;
      else counts.elsewhere.push(name);
      const verdict = isDeepStrictEqual(end, expectedEnd) ? 'same' : JSON.stringify(end);
      process.stderr.write(`killed ${name}: ${verdict}\n`);
    } catch (error) {
      counts.points += 1;
      counts.elsewhere.push(`${name}: ${String(error)}`);
      process.stderr.write(`killed ${name}: ${String(error)}\n`);
    } finally {
      await env.teardown();
    }
  }
  if (counts.same < counts.points)
    throw new Error(`${counts.points - counts.same} of ${counts.points} ended elsewhere: ${JSON.stringify(counts)}`);
  return counts;
}
