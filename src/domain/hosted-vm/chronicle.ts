import type { Actor, UmbraEvent } from '../event.ts';
import type { HostedVmState } from '../hosted-vm.ts';
import type { Reason } from '../reason.ts';
import type { EpochMs } from '../time.ts';

/** Events kept while the store is away: an hour of a lively failover is about 100. The oldest are dropped first. */
const mostEvents = 500;
/** Command ids remembered for answering a repeat. */
const mostSeen = 100;

/** Notes what happened and why. The projection writes it to the store later. */
export function withEvent(
  state: HostedVmState,
  at: EpochMs,
  kind: string,
  actor: Actor,
  reason: Reason,
  facts: UmbraEvent['facts'] = {},
): HostedVmState {
  const event: UmbraEvent = {
    id: `${state.spec.id}#${state.eventCount}@${at}`,
    at,
    hostedVmId: state.spec.id,
    kind,
    actor,
    reason,
    facts,
  };
  return { ...state, eventCount: state.eventCount + 1, events: [...state.events, event].slice(-mostEvents) };
}

/** The store has these: forget them here. */
export function withoutEvents(state: HostedVmState, written: readonly string[]): HostedVmState {
  const gone = new Set(written);
  return { ...state, events: state.events.filter(({ id }) => !gone.has(id)) };
}

export function withSeen(state: HostedVmState, requestId: string): HostedVmState {
  return { ...state, seen: [...state.seen, requestId].slice(-mostSeen) };
}

/** Sets what stands in the way; says it once in the timeline, not at every attempt. */
export function withTrouble(state: HostedVmState, at: EpochMs, kind: string, trouble: Reason): HostedVmState {
  if (state.trouble !== null && isSameNews(state.trouble, trouble)) return { ...state, trouble };
  return withEvent({ ...state, trouble }, at, kind, 'workflow', trouble, trouble.facts);
}

/** The same sentence with other numbers: the trouble lasts, nothing new has happened. */
function isSameNews(before: Reason, after: Reason): boolean {
  return before.code === after.code && withoutNumbers(before.text) === withoutNumbers(after.text);
}

function withoutNumbers(text: string): string {
  return text.replaceAll(/(\d+(\.\d+)?(ms|[smhd])?)+/g, '#');
}

export function withoutTrouble(state: HostedVmState): HostedVmState {
  return state.trouble === null ? state : { ...state, trouble: null };
}
