import type { AskedCommand, Command } from '../../../src/domain/commands.ts';
import type { UmbraEvent } from '../../../src/domain/event.ts';
import { explain } from '../../../src/domain/explain.ts';
import type { HealthReport } from '../../../src/domain/health.ts';
import type { HostedVmState, Move, Phase } from '../../../src/domain/hosted-vm.ts';
import { withAdopted } from '../../../src/domain/hosted-vm/adopting.ts';
import { adoptingState } from '../../../src/domain/hosted-vm/begin.ts';
import { withTrouble } from '../../../src/domain/hosted-vm/chronicle.ts';
import { refusalFor, withCommand } from '../../../src/domain/hosted-vm/commanding.ts';
import { beginMove, withDecision, withDetection, withRecovery } from '../../../src/domain/hosted-vm/deciding.ts';
import type { ServingTrouble } from '../../../src/domain/hosted-vm/evidence.ts';
import { isExplained, withReports } from '../../../src/domain/hosted-vm/evidence.ts';
import { instanceOf, nameOf } from '../../../src/domain/hosted-vm/instances.ts';
import { capacityOf, readyToServe } from '../../../src/domain/traffic.ts';
import { withShadowLost } from '../../../src/domain/hosted-vm/losing.ts';
import { withAnswersChanged, withFenced, withMoveGivenUp } from '../../../src/domain/hosted-vm/moving.ts';
import { withInstanceNews } from '../../../src/domain/hosted-vm/news.ts';
import type { SideWork, Step } from '../../../src/domain/hosted-vm/next-step.ts';
import { nextStep, sideWork } from '../../../src/domain/hosted-vm/next-step.ts';
import {
  whyNotPromote,
  withProbationExtended,
  withPromoted,
  withPromotionBegun,
} from '../../../src/domain/hosted-vm/probation.ts';
import { withStandby } from '../../../src/domain/hosted-vm/standby.ts';
import { wishesToTell } from '../../../src/domain/hosted-vm/wishes.ts';
import type { Instance, InstanceId, InstanceState } from '../../../src/domain/instance.ts';
import type { InstanceWish } from '../../../src/domain/instance-messages.ts';
import type { HostedVmSpec } from '../../../src/domain/policy.ts';
import { hourMs, minuteMs, secondMs } from '../../../src/domain/time.ts';
import { planAnswers } from '../../../src/planning/dns-plan.ts';
import { evaluate } from '../../../src/planning/evaluate.ts';
import { decideFailover, isAsleep } from '../../../src/planning/failover.ts';
import type { Machine, Machines } from './machines.ts';
import type { Timetable } from './timetable.ts';

/** How long things take here: about what they take on the simulator. */
const takes = {
  look: 50,
  dns: 20,
  clone: 12 * secondMs,
  boot: 8 * secondMs,
  resume: secondMs,
  stop: 2 * secondMs,
  delete: 3 * secondMs,
  /** Silence until the cluster declares a node dead, and its guests fenced. */
  nodeDead: 2 * minuteMs,
  again: 15 * secondMs,
} as const;

/** What a story writes down: events as an operator reads them, and every answer of the name server. */
export type Told = {
  event(event: UmbraEvent): void;
  answer(hostedVmId: string, generation: number, addresses: readonly string[]): void;
};

/**
 * One hosted VM's story on virtual time. Decides with the product's own `domain` and `planning`; only what the
 * workflow would ask activities to do is played here, on machines that take their time and may be out of reach.
 */
export class ToldStory {
  state: HostedVmState;
  demandQps = 0;
  ended = false;
  readonly #time: Timetable;
  readonly #machines: Machines;
  readonly #told: Told;
  readonly #busy = new Set<SideWork>();
  /** One step at a time: set while a step takes its time. */
  #acting = false;
  #written = 0;
  #commands = 0;
  #wakeAt = Infinity;

  constructor(spec: HostedVmSpec, time: Timetable, machines: Machines, told: Told) {
    this.#time = time;
    this.#machines = machines;
    this.#told = told;
    this.state = adoptingState(spec, 1, 2, time.now);
    const primary = machines.of(spec.primary.vmid);
    this.#become(
      withAdopted(
        this.state,
        {
          node: primary.node,
          address: primary.address,
          generation: spec.policy.mode === 'observe' ? null : 1,
          resources: { cores: 2, memoryMiB: 2048 },
        },
        time.now,
      ),
    );
  }

  /** A monitor's report, as the signal brings it. */
  hear(report: HealthReport): void {
    this.state = { ...this.state, inbox: [...this.state.inbox, report] };
    this.go();
  }

  /** @returns the refusal's words, if it is refused */
  ask(command: Command, reason: string, more: object): string | undefined {
    this.#commands += 1;
    const with_ = { requestId: String(this.#commands), actor: 'ada', reason, ...more };
    const order = { command, at: this.#time.now, with: with_ } as AskedCommand;
    const refused = refusalFor(this.state, command, order.with);
    if (refused !== undefined) return refused.reason.text;
    this.state = { ...this.state, asked: [...this.state.asked, order] };
    this.go();
    return undefined;
  }

  /** Demand has changed enough to be told: it is looked at now. */
  setDemand(qps: number): void {
    this.demandQps = qps;
    this.state = { ...this.state, nextEvaluationAt: this.#time.now };
    this.go();
  }

  sentence(): string {
    return explain(this.state, this.#time.now).sentence;
  }

  machineOf({ vmid }: Instance): Machine | undefined {
    return vmid === undefined ? undefined : this.#machines.guests.get(vmid);
  }

  /** Takes steps until the story waits, or a step takes its time. */
  go(): void {
    for (let steps = 0; !this.#acting && !this.ended; steps += 1) {
      if (steps > 200) throw new Error(`${this.state.spec.id} never comes to rest`);
      this.#become(withReports(this.state));
      const step = nextStep(this.state, this.#time.now, new Set([...this.#busy, sideWork.project, sideWork.reconcile]));
      if (step.kind === 'wait') {
        this.#wake(step.until);
        return;
      }
      this.#take(step);
    }
  }

  #wake(at: number): void {
    if (at >= this.#wakeAt && this.#wakeAt > this.#time.now) return;
    this.#wakeAt = at;
    if (at === Infinity) return;
    this.#time.at(Math.max(at, this.#time.now + 1), () => {
      if (this.#wakeAt === at) this.#wakeAt = Infinity;
      this.go();
    });
  }

  /** A step that takes its time: nothing else is decided meanwhile, as in the workflow. */
  #act(ms: number, done: () => void): void {
    this.#acting = true;
    this.#time.after(ms, () => {
      this.#acting = false;
      done();
      this.go();
    });
  }

  #become(state: HostedVmState): void {
    this.state = state;
    for (const event of state.events.slice(this.#written)) this.#told.event(event);
    this.#written = state.events.length;
  }

  #take(step: Exclude<Step, { kind: 'wait' }>): void {
    const { state } = this;
    const { now } = this.#time;
    switch (step.kind) {
      case 'obey':
        this.#become(
          withCommand({ ...state, asked: state.asked.filter((one) => one !== step.order) }, step.order, now),
        );
        return;
      case 'look-again':
        this.#become(withDetection(state, step.trouble, now));
        this.#act(takes.look, () => {
          this.#lookAgain(step.trouble);
        });
        return;
      case 'switch':
        this.#switch(step.phase, step.move);
        return;
      case 'shadow-lost':
        this.#become(withShadowLost(state, step.instance, step.verdict, now));
        return;
      case 'fence':
        this.#fence(step.instance.id);
        return;
      case 'recovered':
        this.#become(withRecovery(state, now));
        return;
      case 'narrow':
        this.#become(beginMove(state, step.order, now));
        return;
      case 'look-before-promotion':
        this.#lookBeforePromotion(step.phase);
        return;
      case 'promote':
        this.#become(withPromoted(state, step.phase.to, now));
        return;
      case 'match-plan':
        this.#become(withStandby(state, now));
        return;
      case 'tell':
        for (const { id, wish } of wishesToTell(state)) this.#tell(id, wish);
        return;
      case 'evaluate':
        this.#evaluate();
        return;
      case 'ask-tokens':
        this.#become({ ...state, failoverTokens: 1, tokensAskedAt: null });
        return;
      case 'let-go':
        this.#become({ ...state, generation: null });
        return;
      case 'end':
        this.ended = true;
        return;
      case 'adopt':
      case 'restore-answers':
      case 'reconcile':
        throw new Error(`unexpected here: ${step.kind}`);
    }
  }

  #lookAgain(trouble: ServingTrouble): void {
    const { state } = this;
    const serving = state.serving.map((id) => instanceOf(state, id));
    const ready = readyToServe(state);
    const looks = [...serving, ...ready.filter((instance) => !isAsleep(instance))].map((instance) => {
      const answers = this.#answers(instance.id);
      return { instance: instance.id, answers, latencyMs: 1, detail: answers ? '200 OK' : 'no answer' };
    });
    const decision = decideFailover({
      ...state,
      finding: trouble.finding,
      troubled: trouble.instances,
      verdict: trouble.verdict,
      explained: trouble.instances.some((id) => isExplained(state, id)),
      serving,
      candidates: ready,
      looks,
      frozen: [],
      now: this.#time.now,
    });
    this.#become(withDecision(state, trouble, { looks, decision }, this.#time.now));
  }

  #switch(phase: Phase & { kind: 'failing-over' }, move: Move): void {
    const asleep = phase.to.filter((id) => {
      const instance = instanceOf(this.state, id);
      return isAsleep(instance) || instance.state.kind === 'fenced' || instance.state.kind === 'failed';
    });
    const wakes = asleep.map((id) =>
      this.machineOf(instanceOf(this.state, id))?.power === 'paused' ? takes.resume : takes.boot,
    );
    this.#act(Math.max(0, ...wakes) + takes.dns, () => {
      for (const id of asleep) this.#power(id, 'running');
      const silent = phase.to.find((id) => !this.#answers(id));
      if (silent !== undefined && asleep.includes(silent)) {
        const instance = instanceOf(this.state, silent);
        const reason = { code: 'does-not-wake', text: `${nameOf(instance)} was started and does not answer` };
        const unusable = instance.role === 'shadow' ? silent : undefined;
        this.#become(withMoveGivenUp(this.state, move, reason, this.#time.now, unusable));
        return;
      }
      if (this.#machines.dnsAway) {
        const reason = { code: 'name-server-away', text: 'changing DNS failed: no answer from the name server' };
        const again = { ...this.state, lookAgainAt: this.#time.now + 2 * secondMs };
        this.#become(withTrouble(again, this.#time.now, 'answers-held', reason));
        return;
      }
      const { spec, generation } = this.state;
      const serving = phase.to.map((id) => instanceOf(this.state, id));
      const plan = planAnswers({ ...spec, serving, from: generation ?? 0 });
      if (plan.kind === 'refused') throw new Error(`an answer was asked for that must not be: ${plan.reason.text}`);
      this.#told.answer(spec.id, plan.to, plan.a);
      const change = { generation: plan.to, appliedAtMs: this.#time.now };
      this.#become(withAnswersChanged(this.state, phase.to, change, move, phase.cause, this.#time.now));
    });
  }

  #answers(id: InstanceId): boolean {
    const machine = this.machineOf(instanceOf(this.state, id));
    return machine !== undefined && this.#machines.answers(machine);
  }

  /** Runs beside the story. A node that is off cannot be asked: its guests are fenced once it is declared dead. */
  #fence(id: InstanceId): void {
    const work = sideWork.fence(id);
    this.#busy.add(work);
    const machine = this.machineOf(instanceOf(this.state, id));
    const node = this.#machines.nodes.get(machine?.node ?? '');
    const alive = node?.on === true;
    const dead = !alive && this.#time.now - (node?.since ?? 0) >= takes.nodeDead;
    this.#time.after(alive ? takes.stop : dead ? 0 : takes.again, () => {
      this.#busy.delete(work);
      if (alive) this.#power(id, 'stopped');
      if (alive) this.#become(withFenced(this.state, id, `VM ${machine?.vmid} is stopped`, this.#time.now));
      if (dead) this.#become(withFenced(this.state, id, `node ${machine?.node} is declared dead`, this.#time.now));
      this.go();
    });
  }

  #lookBeforePromotion(phase: Phase & { kind: 'probation' }): void {
    const serving = this.state.serving.map((id) => ({ instance: id, answers: this.#answers(id), detail: 'looked at' }));
    const look = { serving, dnsAgrees: true, dnsDetail: '', formerQps: null };
    const { now } = this.#time;
    const why = whyNotPromote(this.state, phase, look, now);
    this.#become(
      why === undefined
        ? withPromotionBegun(this.state, phase, now)
        : withProbationExtended(this.state, phase, why, now),
    );
  }

  #evaluate(): void {
    const { state } = this;
    const { now } = this.#time;
    const shadows = state.instances
      .filter(({ role, state: own }) => role === 'shadow' && own.kind !== 'deleted' && own.kind !== 'retired')
      .map(({ id, tier, state: own }) => ({
        tier,
        since: own.since,
        warmth: own.kind === 'warm' ? own.warmth : ('hot' as const),
        state: state.serving.includes(id)
          ? ('serving' as const)
          : own.kind === 'provisioning' || own.kind === 'warm'
            ? own.kind
            : ('failed' as const),
      }));
    const { evaluation } = evaluate({
      spec: state.spec,
      recent: { start: now, stepMs: 5 * minuteMs, qps: [] },
      demandQps: this.demandQps,
      servingQps: capacityOf(state.serving.map((id) => instanceOf(state, id))),
      models: [],
      shadows,
      leadTimeMs: minuteMs,
      now,
    });
    // An hour at least: a day of evaluations of the same demand tells nothing.
    const nextEvaluationAt = now + Math.max(evaluation.nextInMs, hourMs);
    this.#become({ ...state, evaluation, nextEvaluationAt });
  }

  /** What the instance's own workflow would do about the wish. */
  #tell(id: InstanceId, wish: InstanceWish): void {
    this.#become({ ...this.state, told: { ...this.state.told, [id]: wish } });
    if (wish.paused) return;
    const instance = instanceOf(this.state, id);
    const { goal } = wish;
    switch (goal.kind) {
      case 'warm':
        this.#keepWarm(id, goal);
        return;
      case 'retired':
        this.#whenReachable(id, () => {
          this.#power(id, 'stopped');
          if (goal.deleteAt !== null) this.#time.at(goal.deleteAt, () => this.#delete(id));
        });
        return;
      case 'deleted':
        if (instance.owned) this.#delete(id);
        return;
      case 'serving':
      case 'fenced':
      case 'released':
        return;
    }
  }

  #keepWarm(id: InstanceId, goal: InstanceWish['goal'] & { kind: 'warm' }): void {
    const { state } = this;
    const instance = instanceOf(state, id);
    if (instance.state.kind === 'provisioning' && instance.vmid === undefined) {
      const away = state.instances.flatMap((other) =>
        other.id !== id && other.node !== undefined ? [other.node] : [],
      );
      const machine = this.#machines.create(instance.n, instance.capacityQps, away);
      const { vmid, node, address } = machine;
      this.#news(id, { kind: 'provisioning', since: instance.state.since, step: 'cloning' }, { vmid, node, address });
      this.#time.after(takes.clone + takes.boot, () => {
        if (!this.#stillWanted(id)) return;
        if (this.#machines.answers(machine)) this.#warm(id, goal.warmth);
        else
          this.#news(id, {
            kind: 'failed',
            since: this.#time.now,
            why: { code: 'no-answer', text: 'its check does not answer' },
          });
      });
      return;
    }
    if (goal.again === undefined) {
      if (instance.state.kind === 'warm' && instance.state.warmth !== goal.warmth) this.#warm(id, goal.warmth);
      return;
    }
    this.#whenReachable(id, () => {
      const machine = this.machineOf(instanceOf(this.state, id));
      if (machine === undefined || machine.condition === 'hung') return;
      machine.condition = 'ok';
      this.#power(id, 'running');
      this.#time.after(takes.boot, () => {
        if (this.#stillWanted(id) && this.#machines.answers(machine)) this.#warm(id, goal.warmth);
      });
    });
  }

  #warm(id: InstanceId, warmth: Extract<InstanceState, { kind: 'warm' }>['warmth']): void {
    this.#power(id, warmth === 'hot' ? 'running' : warmth);
    this.#news(id, { kind: 'warm', since: this.#time.now, warmth });
  }

  #delete(id: InstanceId): void {
    this.#whenReachable(id, () => {
      this.#time.after(takes.delete, () => {
        const instance = this.state.instances.find((other) => other.id === id);
        if (instance === undefined) return;
        if (this.state.serving.includes(id)) throw new Error(`${nameOf(instance)} is deleted while it serves`);
        if (instance.vmid !== undefined) this.#machines.guests.delete(instance.vmid);
        this.#news(id, { kind: 'deleted', since: this.#time.now });
      });
    });
  }

  /** Tried again while its node is away, as long as the instance is known. */
  #whenReachable(id: InstanceId, then: () => void): void {
    const instance = this.state.instances.find((other) => other.id === id);
    if (instance === undefined) return;
    const machine = this.machineOf(instance);
    if (machine === undefined || this.#machines.reachable(machine)) then();
    else this.#time.after(takes.again, () => this.#whenReachable(id, then));
  }

  #stillWanted(id: InstanceId): boolean {
    return this.state.told[id]?.goal.kind === 'warm' && this.state.instances.some((other) => other.id === id);
  }

  #power(id: InstanceId, power: Machine['power']): void {
    const machine = this.machineOf(instanceOf(this.state, id));
    if (machine !== undefined) machine.power = power;
  }

  #news(id: InstanceId, to: InstanceState, facts: Partial<Instance> = {}): void {
    const told = { ...instanceOf(this.state, id), ...facts, state: to };
    this.#become(withInstanceNews(this.state, { instance: told }, this.#time.now));
    this.go();
  }
}
