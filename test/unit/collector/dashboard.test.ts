import { expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';

import { metricsOf } from '../../../src/collector/collector-metrics.ts';

const stats = {
  frames: { answers: 1, unanswered: 0, unknownNames: 0, otherKinds: 0, late: 0, undecodable: 0, shed: 0 },
  bytes: 1,
  streamErrors: { stalled: 1 },
  connections: { accepted: 1, refused: 0 },
  batches: { written: 1, repeated: 0 },
  senders: 1,
  lagMs: 5,
  observedShare: null,
  kept: 1,
  names: 1,
  spool: { files: 0, bytes: 0, oldestAt: undefined, condensed: 0, dropped: 0 },
  storeFailing: false,
  lastBucketAt: undefined,
  evicted: 0,
};

test.each(['grafana/dns-analytics.json', 'name-servers.md'])('every metric that docs/%s names exists', async (file) => {
  const text = readFileSync(new URL(`../../../docs/${file}`, import.meta.url), 'utf8');
  const named = new Set(text.match(/umbra_collector_[a-z_]+/g));
  const metrics = await metricsOf('north', () => stats)();
  expect(named.size).toBeGreaterThan(0);
  for (const name of named) expect(metrics).toContain(`# TYPE ${name} `);
});

test('figures are read when they are asked for', async () => {
  const metrics = metricsOf('north', () => stats);
  await metrics();
  expect(await metrics()).toContain('umbra_collector_frames_total{outcome="answers",edge="north"} 1');
});
