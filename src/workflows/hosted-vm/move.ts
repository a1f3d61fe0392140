import { condition, sleep } from '@temporalio/workflow';
import { fenceOpen } from '../../domain/fence.ts';
import type { HostedVmState, Move, Phase } from '../../domain/hosted-vm.ts';
import { withTrouble } from '../../domain/hosted-vm/chronicle.ts';
import { askHuman } from '../../domain/hosted-vm/deciding.ts';
import { instanceOf, nameOf } from '../../domain/hosted-vm/instances.ts';
import { withAnswersChanged, withAnswersRestored, withFenced, withMoveGivenUp } from '../../domain/hosted-vm/moving.ts';
import { isFence, pauseAsked, sideWork } from '../../domain/hosted-vm/next-step.ts';
import type { Instance, InstanceId } from '../../domain/instance.ts';
import type { Reason } from '../../domain/reason.ts';
import { secondMs } from '../../domain/time.ts';
import { surely, urgently, waking } from '../proxies.ts';
import { reasonOf } from '../trouble.ts';
import { tellOfFailover } from './cluster.ts';
import type { Story } from './story.ts';
import { become, beside, callOff } from './story.ts';

/** A name server that is away is asked again this soon. */
const dnsAgainMs = 2 * secondMs;

/** Answers that serve as they are and should be written again are tried again this soon. */
const restoreAgainMs = 10 * secondMs;

/** A fence without proof is tried again this soon: the node may be declared dead or come back meanwhile. */
const fenceAgainMs = 15 * secondMs;

type FailingOver = Phase & { readonly kind: 'failing-over' };

/**
 * Carries a decided move out: wake what has to be woken, fence first where the storage class asks for proof, change
 * DNS, and let the fence of a stateless instance run beside it. Every step may be repeated after a crash.
 */
export async function carryOut(story: Story, phase: FailingOver, move: Move): Promise<void> {
  const gone = phase.to.find((id) => story.state.instances.every((instance) => instance.id !== id));
  if (gone !== undefined) {
    const reason: Reason = { code: 'gone', text: `${gone} is not there any more` };
    become(story, withMoveGivenUp(story.state, move, reason, Date.now()));
    return;
  }
  // Nothing that is under way against what is to serve may end after it serves.
  for (const id of phase.to) await callOff(story, sideWork.fence(id));
  // Where only one may write, the old one has to be still before the new one runs.
  if (move.fenceOrder === 'first' && !(await fencedFirst(story, move))) return;
  for (const id of phase.to) {
    if (!(await awake(story, instanceOf(story.state, id), move))) return;
  }
  // A pause that came meanwhile holds: the move goes on where it was when it is resumed.
  if (pauseAsked(story.state) !== undefined) return;
  const answering = changeAnswers(story, phase, move);
  if (move.fenceOrder === 'beside') for (const id of move.fence) fenceBeside(story, id);
  await answering;
}

/** @returns false when it cannot serve: the move has been given up */
async function awake(story: Story, instance: Instance, move: Move): Promise<boolean> {
  const asleep = instance.state.kind === 'warm' && instance.state.warmth !== 'hot';
  const down = instance.state.kind === 'fenced' || instance.state.kind === 'failed';
  if (!asleep && !down) return true;
  // A paused guest goes on where it was the moment it is resumed; nobody is served worse meanwhile.
  const paused = instance.state.kind === 'warm' && instance.state.warmth === 'paused';
  const untilItAnswers = !(paused && move.motive === 'failed');
  let reason: Reason = { code: 'does-not-wake', text: `${nameOf(instance)} was started and does not answer` };
  try {
    const woken = await waking(`wake ${nameOf(instance)}`, untilItAnswers).ensureAwake({
      spec: story.state.spec,
      instance,
      untilItAnswers,
    });
    if (woken.answers || !untilItAnswers) return true;
  } catch (error) {
    reason = reasonOf(error, `waking ${nameOf(instance)}`);
  }
  const unusable = instance.role === 'shadow' ? instance.id : undefined;
  become(story, withMoveGivenUp(story.state, move, reason, Date.now(), unusable));
  return false;
}

async function fencedFirst(story: Story, move: Move): Promise<boolean> {
  for (const id of move.fence) {
    const instance = instanceOf(story.state, id);
    let why: Reason = { code: 'not-fenced', text: `${nameOf(instance)} could not be fenced` };
    try {
      const { cluster, vmid } = instance;
      const fence = await surely(`fence ${nameOf(instance)} first: ${story.state.spec.storageClass}`).ensureFenced({
        cluster,
        vmid: vmid ?? 0,
      });
      if (fence.fenced) continue;
      why = { ...why, text: `${why.text}: ${fence.proof}` };
    } catch (error) {
      why = reasonOf(error, `fencing ${nameOf(instance)}`);
    }
    const now = Date.now();
    become(story, askHuman(withMoveGivenUp(story.state, move, why, now), why, [], now));
    return false;
  }
  return true;
}

async function changeAnswers(story: Story, phase: FailingOver, move: Move): Promise<void> {
  const { spec, generation } = story.state;
  const serving = phase.to.map((id) => addressOf(instanceOf(story.state, id)));
  const { id, zone, names, ttlSeconds } = spec;
  try {
    const outcome = await urgently(`DNS of ${names[0] ?? id}: name ${phase.to.join(' and ')}`).ensureAnswers({
      spec: { id, zone, names, ttlSeconds },
      serving,
      from: generation ?? 0,
    });
    const now = Date.now();
    if (outcome.kind === 'applied' || outcome.kind === 'already-applied') {
      const appliedAtMs = outcome.kind === 'applied' ? outcome.appliedAtMs : now;
      const change = { generation: outcome.generation, appliedAtMs };
      become(story, withAnswersChanged(story.state, phase.to, change, move, phase.cause, now));
      const behind = outcome.readBack.servers.some((view) => view.generation !== outcome.generation);
      if (behind) become(story, { ...story.state, nextReconcileAt: now + dnsAgainMs });
      tellOfFailover(story, move);
    } else {
      const reason: Reason =
        outcome.kind === 'refused'
          ? outcome.reason
          : {
              code: outcome.kind,
              text: `${outcome.found.server} holds ${namesHeld(outcome.found)}: DNS was not changed`,
            };
      become(story, askHuman(withMoveGivenUp(story.state, move, reason, now), reason, [], now));
    }
  } catch (error) {
    const now = Date.now();
    const reason = reasonOf(error, 'changing DNS');
    become(story, withTrouble({ ...story.state, lookAgainAt: now + dnsAgainMs }, now, 'answers-held', reason));
  }
}

function namesHeld(found: { readonly owner?: string; readonly generation?: number }): string {
  return `owner ${found.owner ?? 'nobody'} at generation ${found.generation ?? 'none'}`;
}

/** Only what the DNS plan needs: the hot path carries small payloads. */
function addressOf({
  id,
  address,
  address6,
  state,
}: Instance): Pick<Instance, 'id' | 'address' | 'address6' | 'state'> {
  return { id, state, ...(address === undefined ? {} : { address }), ...(address6 === undefined ? {} : { address6 }) };
}

/** Fences while DNS changes or later; the proof is noted once DNS no longer names the instance. */
export function fenceBeside(story: Story, id: InstanceId): void {
  const instance = instanceOf(story.state, id);
  const { cluster, vmid } = instance;
  if (vmid === undefined) return;
  beside(story, sideWork.fence(id), async () => {
    let next: (state: HostedVmState) => HostedVmState;
    let proved = false;
    try {
      const fence = await surely(`fence ${nameOf(instance)}`).ensureFenced({ cluster, vmid });
      proved = fence.fenced;
      next = (state) =>
        fence.fenced
          ? withFenced(state, id, fence.proof, Date.now())
          : withTrouble(state, Date.now(), 'fence-open', fenceOpen(nameOf(instance), fence));
    } catch (error) {
      const reason = reasonOf(error, `fencing ${nameOf(instance)}`);
      next = (state) => withTrouble(state, Date.now(), 'fence-open', reason);
    }
    // While it is named in the answers the proof cannot be noted.
    await condition(() => story.state.phase.kind !== 'failing-over' || !story.state.serving.includes(id));
    become(story, next(story.state));
    if (!proved) await sleep(fenceAgainMs, { summary: `another try to fence ${nameOf(instance)}` });
  });
}

/** A paused hosted VM is not touched: what failed is fenced once it is resumed. */
export function callOffFences(story: Story): void {
  for (const [name, scope] of story.busy) if (isFence(name)) scope.cancel();
}

/** Writes the same serving set again, one generation further: names or TTL have changed, or somebody's hand has. */
export async function restoreAnswers(story: Story): Promise<void> {
  const { spec, serving, generation } = story.state;
  if (generation === null) {
    become(story, { ...story.state, answersDueAt: null });
    return;
  }
  const { id, zone, names, ttlSeconds } = spec;
  try {
    const outcome = await urgently(`DNS of ${names[0] ?? id}: write the answers again`).ensureAnswers({
      spec: { id, zone, names, ttlSeconds },
      serving: serving.map((each) => addressOf(instanceOf(story.state, each))),
      from: generation,
    });
    const now = Date.now();
    if (outcome.kind === 'applied' || outcome.kind === 'already-applied') {
      become(story, withAnswersRestored(story.state, outcome.generation, now));
    } else {
      const reason: Reason =
        outcome.kind === 'refused'
          ? outcome.reason
          : { code: outcome.kind, text: `DNS holds ${namesHeld(outcome.found)}` };
      become(story, askHuman({ ...story.state, answersDueAt: null }, reason, [], now));
    }
  } catch (error) {
    const now = Date.now();
    become(
      story,
      withTrouble(
        { ...story.state, answersDueAt: now + restoreAgainMs },
        now,
        'answers-held',
        reasonOf(error, 'changing DNS'),
      ),
    );
  }
}
