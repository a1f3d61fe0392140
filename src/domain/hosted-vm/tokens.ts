import type { TokenGrant } from '../cluster-messages.ts';
import type { HostedVmState } from '../hosted-vm.ts';
import type { EpochMs } from '../time.ts';
import { minuteMs, secondMs } from '../time.ts';

/** Ahead of need there is time: a budget that is spent is free again after its window, a minute or so. */
const askedAheadEveryMs = 5 * minuteMs;
/** Somebody is failed and may not move: the answer takes a moment, so this is only for one that was lost or was a no. */
const askedInNeedEveryMs = 5 * secondMs;

/** Found in trouble, and kept from moving by the cluster: no token, or its breaker, which lets one go first. */
export function needsToken({ detectedAt, failoverTokens, breaker }: HostedVmState): boolean {
  return detectedAt !== null && (failoverTokens === 0 || breaker?.open === true);
}

/** When tokens should be asked for; undefined while one is held and nothing is in its way. Whoever only observes needs none. */
export function tokensDueAt(state: HostedVmState): EpochMs | undefined {
  if (state.spec.policy.mode === 'observe') return undefined;
  const askedAt = state.tokensAskedAt ?? -Infinity;
  if (needsToken(state)) return askedAt + askedInNeedEveryMs;
  return state.failoverTokens === 0 ? askedAt + askedAheadEveryMs : undefined;
}

/** The cluster's answer. A no is not asked again at once, and only what opens a way is a reason to look again. */
export function withTokens(state: HostedVmState, { tokens, breakerOpen, reason }: TokenGrant): HostedVmState {
  const opened = (tokens > 0 && state.failoverTokens === 0) || (!breakerOpen && state.breaker?.open === true);
  return {
    ...state,
    failoverTokens: tokens,
    breaker: { open: breakerOpen, reason },
    tokensAskedAt: tokens > 0 && !breakerOpen ? null : state.tokensAskedAt,
    lookAgainAt: opened ? 0 : state.lookAgainAt,
  };
}
