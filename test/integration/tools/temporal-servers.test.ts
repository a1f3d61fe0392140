import { describe, expect, test } from '@jest/globals';
import { describeTimeSkipping, devServer, timeSkippingServer } from '../../support/temporal.ts';

describe('the development server', () => {
  test('starts with the search attributes of the registry', async () => {
    const env = await devServer();
    try {
      const known = await env.connection.operatorService.listSearchAttributes({ namespace: 'default' });
      expect(Object.keys(known.customAttributes)).toEqual(
        expect.arrayContaining(['HostedVmId', 'ProbationEndsAt', 'Paused']),
      );
    } finally {
      await env.teardown();
    }
  }, 60_000);
});

describeTimeSkipping('the time-skipping server', () => {
  test('skips a day in less than ten seconds', async () => {
    const env = await timeSkippingServer();
    try {
      const before = await env.currentTimeMs();
      const startedAt = performance.now();
      await env.sleep('24h');
      expect((await env.currentTimeMs()) - before).toBeGreaterThanOrEqual(24 * 3_600_000);
      expect(performance.now() - startedAt).toBeLessThan(10_000);
    } finally {
      await env.teardown();
    }
  }, 60_000);
});
