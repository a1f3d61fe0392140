import { describe, expect, test } from '@jest/globals';
import type { HealthFinding, HealthReport, VantageKind } from '../../../src/domain/health.ts';
import { verdictOf } from '../../../src/domain/health.ts';

const report = (vantage: string, kind: VantageKind, to: HealthFinding): HealthReport => ({
  instance: 'shop/0',
  vantage,
  kind,
  to,
  epoch: 1,
  seq: 1,
  observedAtMs: 10_000,
  sinceMs: 7_000,
  evidence: `${to} at ${vantage}`,
});

const probes = (...found: HealthFinding[]): HealthReport[] =>
  found.map((to, i) => report(['north', 'south', 'west'][i]!, 'probe', to));

describe('the quorum over vantage points', () => {
  test.each<[string, HealthReport[], HealthFinding]>([
    ['two of three probes that fail decide', probes('failed', 'failed', 'healthy'), 'failed'],
    ['one of three does not', probes('failed', 'healthy', 'healthy'), 'healthy'],
    ['no data is never failure', probes('unknown', 'unknown', 'unknown'), 'unknown'],
    ['one point alone never decides', [report('north', 'probe', 'failed')], 'unknown'],
    ['a node that is off is a vote', [...probes('failed'), report('proxmox', 'proxmox', 'failed')], 'failed'],
    [
      'a guest that runs is no veto',
      [...probes('failed', 'failed', 'unknown'), report('proxmox', 'proxmox', 'healthy')],
      'failed',
    ],
    [
      'a silent guest that says it is overloaded is alive and overloaded',
      [...probes('failed', 'failed', 'failed'), report('heartbeat', 'heartbeat', 'overloaded')],
      'overloaded',
    ],
    [
      'demand above capacity does not make a dead guest alive',
      [...probes('failed', 'failed', 'failed'), report('dns', 'dns', 'overloaded')],
      'failed',
    ],
    [
      'a guest that fell silent after it was overloaded has failed',
      [...probes('failed', 'failed', 'failed'), report('heartbeat', 'heartbeat', 'failed')],
      'failed',
    ],
  ])('%s', (_what, reports, expected) => {
    expect(verdictOf(reports, 2).finding).toBe(expected);
  });
});
