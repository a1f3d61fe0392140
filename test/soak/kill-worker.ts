import { isDeepStrictEqual } from 'node:util';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { expectedEndOf, killPoints, nameOfPoint, runKilledAt } from '../support/killing.ts';
import type { KillPoint } from '../support/killing.ts';
import { obtainTemporalCli } from '../../tools/temporal-server.mjs';
import { searchAttributesOf } from './search-attributes.ts';

/** A run mostly waits, for time-outs and for caches to drain; each has a server and workers of its own. */
const atOnce = 3;

type Counts = { points: number; same: number; secondClones: number; duplicateRecords: number; elsewhere: string[] };

/**
 * Kills the worker at every await of a failover, a promotion, a deletion and a hand-back, one run each, and compares where
 * it ends. `npm run soak -- kill-worker [first] [count]`.
 */
export async function soak(args: readonly string[] = []): Promise<Record<string, unknown>> {
  const first = Number(args[0] ?? 0);
  const chosen = killPoints.slice(first, first + Number(args[1] ?? killPoints.length));
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const path = await obtainTemporalCli({ log: (line) => process.stderr.write(`${line}\n`) });
  const counts: Counts = { points: 0, same: 0, secondClones: 0, duplicateRecords: 0, elsewhere: [] };
  const left = chosen.map((point, index) => ({
    point,
    name: `${first + index} of ${killPoints.length}: ${nameOfPoint(point)}`,
  }));
  const runs = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift())
      await run(path, next.point, next.name, counts);
  };
  await Promise.all(Array.from({ length: atOnce }, runs));
  if (counts.same < counts.points)
    throw new Error(`${counts.points - counts.same} of ${counts.points} ended elsewhere: ${JSON.stringify(counts)}`);
  return counts;
}

async function run(path: string, point: KillPoint, name: string, counts: Counts): Promise<void> {
  const env = await TestWorkflowEnvironment.createLocal({
    server: {
      executable: { type: 'existing-path', path },
      log: { format: 'pretty', level: 'error' },
      searchAttributes: searchAttributesOf(),
    },
  });
  counts.points += 1;
  try {
    const end = await runKilledAt(env, point);
    counts.secondClones += end.clones.length - new Set(end.clones).size;
    counts.duplicateRecords += end.generations.length - new Set(end.generations).size + end.duplicateEvents;
    const same = isDeepStrictEqual(end, expectedEndOf(point));
    if (same) counts.same += 1;
    else counts.elsewhere.push(name);
    process.stderr.write(`killed ${name}: ${same ? 'same' : JSON.stringify(end)}\n`);
  } catch (error) {
    counts.elsewhere.push(`${name}: ${String(error)}`);
    process.stderr.write(`killed ${name}: ${String(error)}\n`);
  } finally {
    await env.teardown();
  }
}
