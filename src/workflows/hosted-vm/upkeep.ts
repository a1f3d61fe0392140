import { withEvent, withoutEvents } from '../../domain/hosted-vm/chronicle.ts';
import { reconcileEveryMs } from '../../domain/hosted-vm/adopting.ts';
import { askHuman } from '../../domain/hosted-vm/deciding.ts';
import { instanceOf } from '../../domain/hosted-vm/instances.ts';
import { sideWork } from '../../domain/hosted-vm/next-step.ts';
import { jittered } from '../../domain/hosted-vm/spread.ts';
import { minuteMs } from '../../domain/time.ts';
import { viewOf } from '../../domain/view-of.ts';
import { briefly, evaluating, recording } from '../proxies.ts';
import { reasonOf } from '../trouble.ts';
import type { Story } from './story.ts';
import { become, beside } from './story.ts';

/** A failed evaluation is tried again after this; the last plan stays in force. */
const evaluateAgainMs = minuteMs;

/** Forecast, risk and plan, beside the story: a failure of the VM never waits for a forecast. */
export function evaluateBeside(story: Story): void {
  beside(story, sideWork.evaluate, async () => {
    const { spec, instances, serving, failoversAt, eventCount } = story.state;
    try {
      const request = { spec, instances, serving, failoversAt, now: Date.now() };
      const evaluation = await evaluating(`forecast, risk and plan of ${spec.id}`).evaluate(request);
      const nextEvaluationAt = Date.now() + jittered(evaluation.nextInMs, spec.id, eventCount + evaluation.at);
      const planned = JSON.stringify(story.state.evaluation?.plan.wanted ?? null);
      const next = { ...story.state, evaluation, nextEvaluationAt };
      const changed = planned !== JSON.stringify(evaluation.plan.wanted);
      const reason = evaluation.plan.reasons[0] ?? { code: 'no-reason', text: 'the plan names no reason' };
      become(
        story,
        changed
          ? withEvent(next, Date.now(), 'plan-changed', 'planner', reason, { risk: evaluation.risk.score })
          : next,
      );
    } catch (error) {
      const now = Date.now();
      const reason = reasonOf(error, 'evaluating');
      const held = { ...story.state, nextEvaluationAt: now + jittered(evaluateAgainMs, spec.id, eventCount) };
      become(story, withEvent(held, now, 'evaluation-failed', 'workflow', reason));
    }
  });
}

/** Writes view and events to the store, off the hot path; what comes meanwhile waits for the next time. */
export function projectBeside(story: Story): void {
  const key = projectionKey(story);
  if (story.state.phase.kind === 'failing-over' && story.state.trouble === null) return;
  if (key === story.projected && story.state.events.length === 0) return;
  beside(story, sideWork.project, async () => {
    const { events } = story.state;
    const view = viewOf(story.state, Date.now());
    try {
      await recording(`timeline and view of ${view.id}`).project({ view, events });
      story.projected = key;
      become(
        story,
        withoutEvents(
          story.state,
          events.map(({ id }) => id),
        ),
      );
    } catch (error) {
      // Nothing is lost: the events stay in the state and the next attempt takes them along.
      reasonOf(error, 'writing the projection');
    }
  });
}

/** What has to be written again: everything but the instant and the sentence that counts down. */
function projectionKey({ state }: Story): string {
  return JSON.stringify({ ...viewOf(state, 0), sentence: '' });
}

/** Slow comparison with DNS: repairs what a lost signal or a stranger's hand has left. */
export function reconcileBeside(story: Story): void {
  beside(story, sideWork.reconcile, async () => {
    const { spec, serving, generation, eventCount } = story.state;
    if (generation === null) return;
    const again = (ms: number): number => Date.now() + jittered(ms, spec.id, eventCount);
    try {
      const servers = serving.map((id) => instanceOf(story.state, id));
      const seen = await briefly(`does DNS still name what serves ${spec.id}?`).compareDns({
        spec,
        serving: servers,
        generation,
      });
      // A move in between makes the comparison stale: it says nothing then.
      if (story.state.generation !== generation || story.state.phase.kind === 'failing-over') {
        become(story, { ...story.state, nextReconcileAt: again(minuteMs) });
        return;
      }
      become(story, {
        ...story.state,
        nextReconcileAt: again(seen.kind === 'unreachable' ? minuteMs : reconcileEveryMs),
      });
      if (seen.kind === 'changed') {
        const reason = { code: 'dns-changed', text: seen.detail };
        become(story, withEvent(story.state, Date.now(), 'dns-changed', 'workflow', reason));
        become(story, { ...story.state, answersDueAt: Date.now() });
      }
      if (seen.kind === 'taken')
        become(story, askHuman(story.state, { code: 'dns-taken', text: seen.detail }, [], Date.now()));
    } catch (error) {
      reasonOf(error, 'comparing with DNS');
      become(story, { ...story.state, nextReconcileAt: again(minuteMs) });
    }
  });
}
