import { describe, expect, test } from '@jest/globals';
import { withAdopted } from '../../../src/domain/hosted-vm/adopting.ts';
import { adoptingState } from '../../../src/domain/hosted-vm/begin.ts';
import { needsToken, tokensDueAt, withTokens } from '../../../src/domain/hosted-vm/tokens.ts';
import type { HostedVmState } from '../../../src/domain/hosted-vm.ts';
import { specOf } from '../../support/spec-of.ts';

const start = 1_700_000_000_000;
const reason = { code: 'test', text: 'test' };

function guarded(): HostedVmState {
  const facts = { node: 'pve1', address: '10.0.0.11', generation: 1, resources: { cores: 2, memoryMiB: 1024 } };
  return { ...withAdopted(adoptingState(specOf('shop'), 1, 2, start), facts, start), failoverTokens: 1 };
}

describe('failover tokens', () => {
  const granted = (tokens: number, breakerOpen = false) => ({ requestId: '1', tokens, breakerOpen, reason });

  test('none is held before the cluster has granted one, and one is asked for at once', () => {
    const fresh = adoptingState(specOf('shop'), 1, 2, start);
    expect(fresh.failoverTokens).toBe(0);
    expect(tokensDueAt(fresh)).toBe(-Infinity);
    expect(tokensDueAt(withTokens(fresh, granted(1)))).toBeUndefined();
  });

  test('a no is asked again after 5 min ahead of need, after 5 s in need, and never at once', () => {
    const asked = { ...guarded(), failoverTokens: 0, tokensAskedAt: start, lookAgainAt: start + 30_000 };
    const refused = withTokens(asked, granted(0));
    expect(tokensDueAt(refused)).toBe(start + 300_000);
    const needing = { ...refused, detectedAt: start };
    expect(needsToken(needing)).toBe(true);
    expect(tokensDueAt(needing)).toBe(start + 5_000);
    expect(needing.lookAgainAt).toBe(start + 30_000);
    expect(withTokens(needing, granted(1)).lookAgainAt).toBe(0);
  });

  test('whoever is held by the breaker asks to go first, and looks again once it may', () => {
    const held = { ...guarded(), detectedAt: start, breaker: { open: true, reason }, lookAgainAt: start + 30_000 };
    expect(needsToken(held)).toBe(true);
    expect(withTokens(held, granted(1, true)).lookAgainAt).toBe(start + 30_000);
    expect(withTokens(held, granted(1))).toMatchObject({ lookAgainAt: 0, breaker: { open: false } });
  });

  test('whoever only observes asks for none', () => {
    const base = guarded();
    const policy = { ...base.spec.policy, mode: 'observe' as const };
    expect(tokensDueAt({ ...base, failoverTokens: 0, spec: { ...base.spec, policy } })).toBeUndefined();
  });
});
