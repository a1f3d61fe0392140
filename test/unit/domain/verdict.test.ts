import { describe, expect, test } from '@jest/globals';
import { withDetection } from '../../../src/domain/hosted-vm/deciding.ts';
import type { HealthFinding, HealthReport } from '../../../src/domain/health.ts';
import type { VantageKind } from '../../../src/domain/vantage.ts';
import { nodeOfflineEvidence, offlineNodeIn, verdictOf } from '../../../src/domain/health.ts';
import { Run } from './imagined-life.ts';

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

describe('a failure is of the node', () => {
  test.each<[string, HealthReport[], string | undefined]>([
    [
      'when Proxmox says that it is offline',
      [{ ...report('proxmox', 'proxmox', 'failed'), evidence: nodeOfflineEvidence('pve2') }],
      'pve2',
    ],
    ['not when the guest was stopped', [report('proxmox', 'proxmox', 'failed')], undefined],
  ])('%s', (_what, reports, node) => {
    expect(offlineNodeIn(verdictOf([...probes('failed', 'failed'), ...reports], 2).evidence)).toBe(node);
  });

  test('and its detection says so, with the cluster', () => {
    const trouble = (evidence: string) => ({
      ...({ finding: 'failed', instances: ['shop/0'] } as const),
      verdict: { finding: 'failed', agree: 2, reporting: 3, sinceMs: 7_000, evidence: [evidence] } as const,
    });
    const { state } = new Run();
    const factsOf = (evidence: string) => withDetection(state, trouble(evidence), 10_000).events.at(-1)?.facts;
    expect(factsOf('proxmox: node pve2 is offline')).toMatchObject({
      node: 'pve2',
      cluster: state.instances[0]?.cluster,
    });
    expect(Object.keys(factsOf('north: connection refused')!)).not.toContain('node');
  });
});
