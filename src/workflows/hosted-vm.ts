import { allHandlersFinished, condition, continueAsNew, workflowInfo } from '@temporalio/workflow';
import { withAdopted, withAdoptionHeld } from '../domain/hosted-vm/adopting.ts';
import { withSeen } from '../domain/hosted-vm/chronicle.ts';
import { withCommand } from '../domain/hosted-vm/commanding.ts';
import { beginMove, withDecision, withDetection, withRecovery } from '../domain/hosted-vm/deciding.ts';
import type { ServingTrouble } from '../domain/hosted-vm/evidence.ts';
import { isExplained, servingTrouble, withReports } from '../domain/hosted-vm/evidence.ts';
import { withFoundAgain } from '../domain/hosted-vm/finding-again.ts';
import { instanceOf, nameOf } from '../domain/hosted-vm/instances.ts';
import { withShadowLost } from '../domain/hosted-vm/losing.ts';
import type { HostedVmInput } from '../domain/hosted-vm/messages.ts';
import type { SideWork, Step } from '../domain/hosted-vm/next-step.ts';
import { isFence, isQuiet, nextStep, sideWork } from '../domain/hosted-vm/next-step.ts';
import {
  whyNotPromote,
  withProbationExtended,
  withPromoted,
  withPromotionBegun,
} from '../domain/hosted-vm/probation.ts';
import { withStandby } from '../domain/hosted-vm/standby.ts';
import type { AskedCommand } from '../domain/commands.ts';
import type { Phase, Probation } from '../domain/hosted-vm.ts';
import { assertNever } from '../domain/reason.ts';
import { secondMs } from '../domain/time.ts';
import { readyToServe } from '../domain/traffic.ts';
import { askTokens } from './hosted-vm/cluster.ts';
import { listen } from './hosted-vm/listen.ts';
import { callOffFences, carryOut, fenceBeside, restoreAnswers } from './hosted-vm/move.ts';
import type { Story } from './hosted-vm/story.ts';
import { become, beginStory, callOff, publish } from './hosted-vm/story.ts';
import { tellInstances } from './hosted-vm/tell.ts';
import { evaluateBeside, projectBeside, reconcileBeside } from './hosted-vm/upkeep.ts';
import { briefly, urgently } from './proxies.ts';
import { reasonOf } from './trouble.ts';

/** A history this long or large is ended even when something is going on; the hard limits are 51,200 events and 50 MB. */
const longestHistory = 30_000;
const largestHistory = 30_000_000;

/**
 * A hosted VM as long as it exists: adopted, guarded by shadows, moved when it fails or saturates, on probation,
 * promoted, and guarded again. `nextStep` says what comes next; everything here is carried out one step at a time,
 * except for what may take long and changes nothing: forecasts, projections and fences run beside the story.
 */
export async function hostedVm(input: HostedVmInput): Promise<void> {
  const story = beginStory(input);
  listen(story);
  for (;;) {
    story.moved = false;
    become(story, withReports(story.state));
    publish(story);
    if (mayContinue(story, input)) {
      await condition(allHandlersFinished);
      return continueAsNew<typeof hostedVm>({ ...input, state: story.state });
    }
    const ending = isDue(input) && isQuiet(story.state);
    // A store that is away would hold it up for as long as it is away; what was not written is carried on.
    if (ending) await callOff(story, sideWork.project);
    else projectBeside(story);
    const step = nextStep(story.state, Date.now(), ending ? withUpkeepHeld(story.busy) : new Set(story.busy.keys()));
    if (step.kind === 'end') return;
    await take(story, step);
  }
}

async function take(story: Story, step: Exclude<Step, { kind: 'end' }>): Promise<void> {
  switch (step.kind) {
    case 'adopt':
      return adopt(story);
    case 'obey':
      obey(story, step.order);
      return;
    case 'switch':
      return carryOut(story, step.phase, step.move);
    case 'look-again':
      return lookAgain(story, step.trouble);
    case 'restore-answers':
      return restoreAnswers(story);
    case 'recovered':
      become(story, withRecovery(story.state, Date.now()));
      return;
    case 'look-before-promotion':
      return lookBeforePromotion(story, step.phase);
    case 'promote':
      return promote(story, step.phase);
    case 'shadow-lost':
      become(story, withShadowLost(story.state, step.instance, step.verdict, Date.now()));
      return;
    case 'tell':
      return tellInstances(story);
    case 'match-plan':
      become(story, withStandby(story.state, Date.now()));
      return;
    case 'narrow':
      become(story, beginMove(story.state, step.order, Date.now()));
      return;
    case 'ask-tokens':
      return askTokens(story);
    case 'fence':
      fenceBeside(story, step.instance.id);
      return;
    case 'evaluate':
      evaluateBeside(story);
      return;
    case 'reconcile':
      reconcileBeside(story);
      return;
    case 'let-go':
      return letGo(story);
    case 'wait':
      return waitUntil(story, step.until, step.why);
    default:
      assertNever(step);
  }
}

async function adopt(story: Story): Promise<void> {
  const { spec } = story.state;
  const observing = spec.policy.mode === 'observe';
  const brief = briefly(observing ? `look at primary ${spec.primary.vmid}` : `adopt primary ${spec.primary.vmid}`);
  try {
    const adopted = await (observing ? brief.observePrimary(spec) : brief.ensureAdopted(spec));
    const now = Date.now();
    const outcome = adopted.kind === 'found-again' ? withFoundAgain(story.state, adopted, now) : adopted;
    if (outcome.kind === 'refused') become(story, withAdoptionHeld(story.state, outcome.reason, now));
    else if (outcome.kind === 'taken-up') become(story, outcome.state);
    else become(story, withAdopted(story.state, outcome, now));
  } catch (error) {
    become(story, withAdoptionHeld(story.state, reasonOf(error, `adopting VM ${spec.primary.vmid}`), Date.now()));
  }
}

function obey(story: Story, order: AskedCommand): void {
  const rest = { ...story.state, asked: story.state.asked.filter((other) => other !== order) };
  become(story, withCommand(withSeen(rest, order.with.requestId), order, Date.now()));
  if (story.state.paused !== null) callOffFences(story);
}

/** The quorum says failed or overloaded: look again with our own eyes, then decide. */
async function lookAgain(story: Story, trouble: ServingTrouble): Promise<void> {
  become(story, withDetection(story.state, trouble, Date.now()));
  const { state } = story;
  const { spec, serving, quorum, evaluation, breaker, failoversAt, blockedUntil, failoverTokens } = state;
  try {
    const looked = await urgently(`look again: ${trouble.instances.join(' and ')} ${trouble.finding}`).lookAgain({
      spec,
      finding: trouble.finding,
      troubled: trouble.instances,
      verdict: trouble.verdict,
      quorum,
      explained: trouble.instances.some((id) => isExplained(state, id)),
      serving: serving.map((id) => instanceOf(state, id)),
      candidates: readyToServe(state),
      evaluation,
      breaker,
      failoversAt,
      blockedUntil,
      failoverTokens,
      now: Date.now(),
    });
    become(story, withDecision(story.state, trouble, looked, Date.now()));
  } catch (error) {
    reasonOf(error, 'looking again');
    become(story, { ...story.state, lookAgainAt: Date.now() + secondMs });
  }
}

/** Probation is over: look again before anything that cannot be undone. */
async function lookBeforePromotion(story: Story, phase: Probation): Promise<void> {
  const { spec, serving, generation, instances } = story.state;
  const former = instances.find(({ id }) => id === phase.former) ?? null;
  try {
    const look = await briefly('probation is over: look again before promoting').lookBeforePromotion({
      spec,
      serving: serving.map((id) => instanceOf(story.state, id)),
      former,
      generation: generation ?? 0,
      now: Date.now(),
    });
    const now = Date.now();
    // A failure or an extension may have come meanwhile: then this look is of yesterday.
    const current = story.state.phase;
    if (current.kind !== 'probation' || now < current.endsAt || story.state.paused !== null) return;
    const reason = whyNotPromote(story.state, current, look, now);
    become(
      story,
      reason === undefined
        ? withPromotionBegun(story.state, current, now)
        : withProbationExtended(story.state, current, reason, now),
    );
  } catch (error) {
    const reason = reasonOf(error, 'looking before the promotion');
    become(story, withProbationExtended(story.state, phase, reason, Date.now()));
  }
}

/** When it cannot be done now, probation goes on: what serves may have failed meanwhile, and nobody would look at it here. */
async function promote(story: Story, { to, passed }: Phase & { kind: 'promoting' }): Promise<void> {
  const instance = instanceOf(story.state, to);
  const { id: hostedVmId } = story.state.spec;
  if (servingTrouble(story.state)?.finding === 'failed') {
    const reason = { code: 'was-unhealthy', text: `${nameOf(instance)} was found failed as it was to be promoted` };
    become(story, withProbationExtended(story.state, passed, reason, Date.now()));
    return;
  }
  try {
    const mark = { hostedVmId, instance, role: 'primary', protect: true } as const;
    await briefly(`promote ${nameOf(instance)}: marker and protection`).ensureMarked(mark);
    become(story, withPromoted(story.state, to, Date.now()));
  } catch (error) {
    const reason = reasonOf(error, `marking ${nameOf(instance)} as primary`);
    become(story, withProbationExtended(story.state, passed, reason, Date.now()));
  }
}

async function letGo(story: Story): Promise<void> {
  try {
    await briefly('take our ownership record away').releaseNames(story.state.spec);
    become(story, { ...story.state, generation: null });
  } catch (error) {
    become(story, { ...story.state, trouble: reasonOf(error, 'releasing the names') });
    await condition(() => false, 10 * secondMs);
  }
}

async function waitUntil(story: Story, until: number, why: string): Promise<void> {
  const news = (): boolean => story.moved;
  if (until === Infinity) {
    await condition(news);
    return;
  }
  await condition(news, Math.max(1, until - Date.now()), { summary: `waits for ${why}` });
}

/** Quiet and with nothing under way; at last even in the middle of something, because the next run takes it up again. */
function mayContinue(story: Story, input: HostedVmInput): boolean {
  const { historyLength, historySize } = workflowInfo();
  const { longest = longestHistory } = input;
  if (historyLength > longest || historySize > largestHistory) return [...story.busy.keys()].every(isFence);
  return isDue(input) && story.busy.size === 0 && isQuiet(story.state);
}

function isDue({ continueAfterEvents = Infinity }: HostedVmInput): boolean {
  const { continueAsNewSuggested, historyLength } = workflowInfo();
  return continueAsNewSuggested || historyLength >= continueAfterEvents;
}

/** Before continuing as new nothing is begun that the next run can do as well: else something would always be under way. */
function withUpkeepHeld(busy: Story['busy']): ReadonlySet<SideWork> {
  return new Set([...busy.keys(), sideWork.evaluate, sideWork.reconcile]);
}
