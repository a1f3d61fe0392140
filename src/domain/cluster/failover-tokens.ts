import type { TokenGrant, TokenRequest } from '../cluster-messages.ts';
import type { Reason } from '../reason.ts';
import { formatDuration } from '../time.ts';
import type { EpochMs } from '../time.ts';
import type { Breaker } from './breaker.ts';

/**
 * One token is one failover. Held and spent ones together never exceed the budget of the window, so that hosted VMs
 * may fail over at the same instant without asking and the limit still holds.
 */
export type FailoverTokens = {
  /** Hosted VMs that hold a token they have not used. */
  readonly held: readonly string[];
  /** Failovers of the running window. */
  readonly spent: readonly { readonly hostedVmId: string; readonly at: EpochMs }[];
};

export const noTokens: FailoverTokens = { held: [], spent: [] };

export type Budget = { readonly limit: number; readonly windowMs: number };

export type TokenStep = { readonly tokens: FailoverTokens; readonly breaker: Breaker; readonly grant: TokenGrant };

/** Answers a request; a hosted VM holds one token at most, so asking twice gives no second. */
export function requestToken(
  now: EpochMs,
  tokens: FailoverTokens,
  request: TokenRequest,
  around: { readonly budget: Budget; readonly breaker: Breaker; readonly fleet: number },
): TokenStep {
  const { budget, breaker, fleet } = around;
  const current = expireSpent(now, tokens, budget);
  const used = current.held.length + current.spent.length;
  const answer = (count: number, reason: Reason, next = current, after = breaker): TokenStep => ({
    tokens: next,
    breaker: after,
    grant: { requestId: request.requestId, tokens: count, breakerOpen: isHeld(after, request.hostedVmId), reason },
  });

  if (breaker.kind === 'open') return answer(heldBy(current, request.hostedVmId), breaker.reason);
  if (breaker.kind === 'half-open' && isHeld(breaker, request.hostedVmId)) {
    if (breaker.canary !== null || request.needed !== true) {
      return answer(heldBy(current, request.hostedVmId), {
        code: 'breaker-half-open',
        text: 'One hosted VM tries first; the others follow when it has gone well.',
        facts: { canary: breaker.canary ?? 'none yet' },
      });
    }
    const canary: Breaker = { ...breaker, canary: request.hostedVmId };
    const next = { ...current, held: [...new Set([...current.held, request.hostedVmId])] };
    return answer(1, { code: 'canary', text: 'This hosted VM goes first after the breaker was open.' }, next, canary);
  }
  if (current.held.includes(request.hostedVmId)) {
    return answer(1, { code: 'held', text: 'This hosted VM holds a failover already.' });
  }
  const room = request.needed === true ? budget.limit : aheadLimit(budget, fleet);
  const held = request.needed === true ? used : Math.max(used, current.held.length);
  if (held >= room || used >= budget.limit) {
    return answer(0, {
      code: 'failover-budget',
      text:
        `${current.spent.length} failovers happened within ${formatDuration(budget.windowMs)} and ${current.held.length} ` +
        `are reserved, of at most ${budget.limit}.`,
      facts: { spent: current.spent.length, held: current.held.length, limit: budget.limit, windowMs: budget.windowMs },
    });
  }
  const next = { ...current, held: [...current.held, request.hostedVmId] };
  return answer(1, { code: 'granted', text: 'One failover is reserved for this hosted VM.' }, next);
}

/** After a failover: an explained one costs nothing and its token stays, for the node's other guests go too. */
export function spendToken(
  now: EpochMs,
  tokens: FailoverTokens,
  news: { readonly hostedVmId: string; readonly at: EpochMs; readonly explained: boolean },
  budget: Budget,
): FailoverTokens {
  const current = expireSpent(now, tokens, budget);
  if (news.explained) return current;
  if (current.spent.some((one) => one.hostedVmId === news.hostedVmId && one.at === news.at)) return current;
  return {
    held: current.held.filter((id) => id !== news.hostedVmId),
    spent: [...current.spent, { hostedVmId: news.hostedVmId, at: news.at }],
  };
}

export function forgetHolder(tokens: FailoverTokens, hostedVmId: string): FailoverTokens {
  return { ...tokens, held: tokens.held.filter((id) => id !== hostedVmId) };
}

export function expireSpent(now: EpochMs, tokens: FailoverTokens, budget: Budget): FailoverTokens {
  const spent = tokens.spent.filter((one) => now - one.at < budget.windowMs);
  return spent.length === tokens.spent.length ? tokens : { ...tokens, spent };
}

/** A small fleet may hold its whole budget ahead; of a large one's, half is kept for whoever turns out to need it. */
function aheadLimit(budget: Budget, fleet: number): number {
  return fleet <= budget.limit ? budget.limit : Math.ceil(budget.limit / 2);
}

function heldBy(tokens: FailoverTokens, hostedVmId: string): number {
  return tokens.held.includes(hostedVmId) ? 1 : 0;
}

/** True when this hosted VM must not fail over by itself now. */
export function isHeld(breaker: Breaker, hostedVmId: string): boolean {
  if (breaker.kind === 'half-open') return breaker.canary !== hostedVmId;
  return breaker.kind === 'open';
}
