import {
  condition,
  continueAsNew,
  defineSignal,
  getExternalWorkflowHandle,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { CloneRequest, LeaseNews, LeaseRequest, TokenRequest } from '../../src/domain/cluster-messages.ts';

type Books = { leases: Record<string, number>; next: number; prefix: string };

/** Stands for the cluster's workflow where only its answers matter: leases in order, turns at once, tokens for all. */
export async function cluster(books: Books = { leases: {}, next: 9001, prefix: '10.0.1.' }): Promise<void> {
  const waiting: { to: string; signal: string; payload: unknown }[] = [];
  setHandler(defineSignal<[LeaseRequest]>('requestLease'), ({ requestId, replyTo, instance, awayFrom }) => {
    books.leases[instance] ??= books.next++;
    const vmid = books.leases[instance];
    const address = `${books.prefix}${vmid - 9000}`;
    const node = awayFrom.some((other) => other.node === 'pve2') ? 'pve3' : 'pve2';
    const grant = {
      requestId,
      vmid,
      address,
      ipconfig: `${address}/24`,
      node,
      full: false,
      expiresAt: Date.now() + 60_000,
    };
    waiting.push({ to: replyTo, signal: 'leaseGranted', payload: grant });
  });
  setHandler(defineSignal<[CloneRequest]>('requestClone'), ({ requestId, replyTo }) => {
    waiting.push({ to: replyTo, signal: 'cloneTurn', payload: { requestId } });
  });
  setHandler(defineSignal<[TokenRequest]>('requestFailoverTokens'), ({ requestId, replyTo }) => {
    const reason = { code: 'granted', text: 'granted' };
    waiting.push({
      to: replyTo,
      signal: 'failoverTokens',
      payload: { requestId, tokens: 1, breakerOpen: false, reason },
    });
  });
  for (const ignored of ['cloneDone', 'confirmLease', 'failoverHappened'])
    setHandler(defineSignal(ignored), () => undefined);
  setHandler(defineSignal<[LeaseNews]>('releaseLease'), ({ instance }) => {
    books.leases = Object.fromEntries(Object.entries(books.leases).filter(([id]) => id !== instance));
  });
  for (;;) {
    await condition(() => waiting.length > 0 || workflowInfo().continueAsNewSuggested);
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      await getExternalWorkflowHandle(next.to)
        .signal(next.signal, next.payload)
        .catch(() => undefined);
    }
    if (workflowInfo().continueAsNewSuggested) await continueAsNew<typeof cluster>(books);
  }
}
