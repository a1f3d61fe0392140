import { ApplicationFailure, setHandler } from '@temporalio/workflow';
import type { Accepted, AskedCommand, Command, CommandArguments } from '../../domain/commands.ts';
import { allowedIn } from '../../domain/commands.ts';
import { explain } from '../../domain/explain.ts';
import type { HostedVmState } from '../../domain/hosted-vm.ts';
import { withSpec } from '../../domain/hosted-vm/adopting.ts';
import { withEvent } from '../../domain/hosted-vm/chronicle.ts';
import { acceptedText, refusalFor } from '../../domain/hosted-vm/commanding.ts';
import type { SpecChange } from '../../domain/hosted-vm/messages.ts';
import { withInstanceNews } from '../../domain/hosted-vm/news.ts';
import { withTokens } from '../../domain/hosted-vm/tokens.ts';
import type { Refusal } from '../../domain/reason.ts';
import { refuse } from '../../domain/reason.ts';
import { viewOf } from '../../domain/view-of.ts';
import {
  applySpec,
  breakerChangedSignal,
  commandUpdate,
  demandChangedSignal,
  explainQuery,
  failoverTokensSignal,
  healthChangedSignal,
  instanceChangedSignal,
  stateQuery,
  viewQuery,
} from './messages.ts';
import type { Story } from './story.ts';
import { become } from './story.ts';

/** Reports kept when nobody could look at them: the newest of each vantage point is what counts. */
const mostWaiting = 1_000;

/** Handlers only note; the story acts. None of them awaits, so none is ever unfinished at continue-as-new. */
export function listen(story: Story): void {
  setHandler(healthChangedSignal, (report) => {
    become(story, { ...story.state, inbox: [...story.state.inbox, report].slice(-mostWaiting) });
  });
  setHandler(instanceChangedSignal, (news) => {
    become(story, withInstanceNews(story.state, news, Date.now()));
  });
  setHandler(demandChangedSignal, (news) => {
    const now = Date.now();
    const noted = withEvent(
      story.state,
      now,
      'demand-changed',
      'collector',
      { code: news.code, text: news.text },
      {
        qps: news.qps,
      },
    );
    become(story, { ...noted, nextEvaluationAt: now });
  });
  setHandler(failoverTokensSignal, (grant) => become(story, withTokens(story.state, grant)));
  setHandler(breakerChangedSignal, (breaker) => {
    const { open, reason } = breaker;
    const noted = withEvent(story.state, Date.now(), open ? 'breaker-opened' : 'breaker-closed', 'workflow', reason);
    become(story, { ...noted, breaker, lookAgainAt: 0 });
  });
  setHandler(stateQuery, () => story.state);
  // A workflow's clock stands between two tasks, an hour perhaps: who asks brings the time along.
  setHandler(explainQuery, (now = Date.now()) => explain(story.state, now));
  setHandler(viewQuery, (now = Date.now()) => viewOf(story.state, now));
  setHandler(applySpec, (change) => takeSpec(story, change), {
    validator: (change: SpecChange) => insist(refusalOfSpec(story.state, change)),
  });
  for (const command of Object.keys(allowedIn) as Command[]) listenFor(story, command);
}

function listenFor(story: Story, command: Command): void {
  setHandler(commandUpdate(command), (asked: CommandArguments[Command]) => takeCommand(story, command, asked), {
    validator: (asked: CommandArguments[Command]) => {
      if (!isRepeat(story.state, asked.requestId)) insist(refusalFor(story.state, command, asked));
    },
  });
}

function takeCommand(story: Story, command: Command, asked: CommandArguments[Command]): Accepted {
  const order = { command, at: Date.now(), with: asked } as AskedCommand;
  if (isRepeat(story.state, asked.requestId)) return { kind: 'accepted', text: 'accepted before under the same id' };
  become(story, { ...story.state, asked: [...story.state.asked, order] });
  return { kind: 'accepted', text: acceptedText(story.state, order) };
}

function isRepeat({ seen, asked }: HostedVmState, requestId: string): boolean {
  return seen.includes(requestId) || asked.some((order) => order.with.requestId === requestId);
}

function takeSpec(story: Story, change: SpecChange): Accepted {
  const before = story.state;
  become(story, withSpec(before, change, Date.now()));
  return { kind: 'accepted', text: `${before.spec.id} is at inventory revision ${story.state.revision}` };
}

function refusalOfSpec({ spec, phase }: HostedVmState, change: SpecChange): Refusal | undefined {
  if (phase.kind === 'retired') return refuse('retired', `${spec.id} is being retired; apply it again once it is gone`);
  if (change.spec.id !== spec.id) return refuse('other-id', `this is ${spec.id}, not ${change.spec.id}`);
  if (change.spec.zone !== spec.zone) {
    return refuse('zone-changed', `${spec.id} cannot move from zone ${spec.zone}; retire it and apply it anew`);
  }
  const { cluster, vmid } = spec.primary;
  if (change.spec.primary.cluster !== cluster || change.spec.primary.vmid !== vmid) {
    return refuse('primary-changed', `${spec.id} was adopted as VM ${vmid} on ${cluster}; retire it and apply it anew`);
  }
  return undefined;
}

/** A refused update writes no history; the caller reads the reason. */
function insist(refused: Refusal | undefined): void {
  if (refused === undefined) return;
  const { code, text } = refused.reason;
  throw ApplicationFailure.create({ type: code, message: text, nonRetryable: true, details: [refused] });
}
