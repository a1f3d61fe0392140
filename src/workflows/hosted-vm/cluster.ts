import { getExternalWorkflowHandle, uuid4, workflowInfo } from '@temporalio/workflow';
import type { FailoverNews, TokenRequest } from '../../domain/cluster-messages.ts';
import { clusterWorkflowId } from '../../domain/cluster-messages.ts';
import type { Move } from '../../domain/hosted-vm.ts';
import { instanceOf } from '../../domain/hosted-vm/instances.ts';
import { needsToken } from '../../domain/hosted-vm/tokens.ts';
import { reasonOf } from '../trouble.ts';
import type { Story } from './story.ts';
import { become, beside } from './story.ts';

/** After the fact and beside the story: the cluster counts, and unexplained failures feed its breaker. */
export function tellOfFailover(story: Story, move: Move): void {
  if (move.motive !== 'failed') return;
  const first = move.from[0];
  const node = first === undefined ? undefined : instanceOf(story.state, first).node;
  const news: FailoverNews = {
    hostedVmId: story.state.spec.id,
    at: move.decidedAtMs,
    explained: move.explained,
    node: node ?? 'unknown',
  };
  beside(story, 'tell-cluster', () => toCluster(story, 'failoverHappened', news));
}

/** The answer comes as a signal. */
export async function askTokens(story: Story): Promise<void> {
  const request: TokenRequest = {
    requestId: uuid4(),
    replyTo: workflowInfo().workflowId,
    hostedVmId: story.state.spec.id,
    needed: needsToken(story.state),
  };
  become(story, { ...story.state, tokensAskedAt: Date.now() });
  await toCluster(story, 'requestFailoverTokens', request);
}

async function toCluster(story: Story, signal: string, payload: FailoverNews | TokenRequest): Promise<void> {
  const cluster = getExternalWorkflowHandle(clusterWorkflowId(story.state.spec.primary.cluster));
  try {
    await cluster.signal(signal, payload);
  } catch (error) {
    // The cluster's workflow may not run (yet): tokens are asked for again, news of one failover may be lost.
    reasonOf(error, `telling the cluster ${signal}`);
  }
}
