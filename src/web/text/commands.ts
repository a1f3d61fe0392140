import type { Command } from '../../domain/commands.ts';
import type { Instance, InstanceId } from '../../domain/instance.ts';
import { storageClassRules } from '../../domain/storage-class.ts';
import { capacityOf, neededQps, planTraffic, readyToServe } from '../../domain/traffic.ts';
import type { HostedVmView } from '../../domain/view.ts';
import { formatTier, servingOf, shadowsOf } from './instances.ts';
import { formatQps } from './numbers.ts';

/** The words of a command on its button, and whether it moves traffic or ends something. */
export const commandWords: Readonly<Record<Command, { readonly label: string; readonly dangerous: boolean }>> = {
  failover: { label: 'Fail over', dangerous: true },
  handBack: { label: 'Hand back', dangerous: true },
  approve: { label: 'Approve', dangerous: true },
  promote: { label: 'Promote', dangerous: true },
  extendProbation: { label: 'Extend probation', dangerous: false },
  pause: { label: 'Pause', dangerous: false },
  resume: { label: 'Resume', dangerous: false },
  retire: { label: 'Retire', dangerous: true },
};

export const commandOrder = Object.keys(commandWords) as readonly Command[];

/** What a command would do, as far as the page knows it. Shown before anyone types a reason. */
export type CommandPlan = {
  readonly changes: readonly string[];
  /** The guard's view of it: capacity against prediction, age of data. */
  readonly verdict: readonly { readonly ok: boolean; readonly text: string }[];
  readonly undo: string;
};

export function commandPlan(command: Command, view: HostedVmView, chosen?: InstanceId): CommandPlan {
  const serving = servingOf(view);
  const name = view.names[0] ?? view.id;
  switch (command) {
    case 'failover':
    case 'approve': {
      const to = targetsOf(command, view, chosen);
      return {
        changes: [
          `Answers for ${name} change from ${placesOf(serving)} to ${placesOf(to)}.`,
          `${idsOf(serving) || 'The serving instance'} is fenced: stopped, with proof.`,
          'Probation opens; at its end the shadow is promoted and the old primary retired.',
        ],
        verdict: [carries(view, to), dataAge(view)],
        undo: 'Hand back, until probation ends.',
      };
    }
    case 'handBack': {
      const former = view.phase.kind === 'probation' ? view.phase.former : 'the former primary';
      const back = view.instances.filter((instance) => instance.id === former);
      return {
        changes: [
          `Answers for ${name} change from ${placesOf(serving)} back to ${placesOf(back) || former}.`,
          'Probation ends.',
        ],
        verdict: [carries(view, back), dataAge(view)],
        undo: 'Fail over again, as long as a shadow is warm.',
      };
    }
    case 'promote':
      return {
        changes: [
          `${idsOf(serving)} becomes the primary now instead of at the end of probation.`,
          `${view.phase.kind === 'probation' ? view.phase.former : 'The former primary'} is retired: stopped at once, its disk deleted later.`,
        ],
        verdict: [carries(view, serving)],
        undo: 'None from here: handing back is no longer possible. The disk of the old primary is kept for the days its policy says.',
      };
    case 'retire':
      return {
        changes: [
          'Umbra lets go of this hosted VM: its shadows are deleted.',
          `Answers for ${name} stay at ${placesOf(serving)}.`,
        ],
        verdict: [{ ok: false, text: 'Nothing protects it afterwards.' }],
        undo: 'Apply it again from the inventory; shadows are made anew.',
      };
    case 'extendProbation':
      return { changes: ['The shadow is promoted later.'], verdict: [], undo: 'Promote at any time.' };
    case 'pause':
      return {
        changes: ['Umbra watches and forecasts, and touches nothing: no failover, no new shadow.'],
        verdict: [{ ok: false, text: 'While paused, a failure of the primary is not answered.' }],
        undo: 'Resume at any time.',
      };
    case 'resume':
      return { changes: ['Umbra acts again, as its policy says.'], verdict: [], undo: 'Pause at any time.' };
  }
}

/** Shadows that could take over now, the largest first. */
export function warmShadows(view: HostedVmView): Instance[] {
  return shadowsOf(view)
    .filter((shadow) => shadow.state.kind === 'warm')
    .sort((a, b) => b.capacityQps - a.capacityQps);
}

function targetsOf(command: Command, view: HostedVmView, chosen?: InstanceId): readonly Instance[] {
  const proposed = view.phase.kind === 'needs-human' ? (view.phase.proposal?.to ?? []) : [];
  if (chosen === undefined && command === 'failover') {
    const { evaluation } = view;
    return planTraffic({ serving: servingOf(view), ready: readyToServe(view), evaluation }, { kind: 'asked' }).serving;
  }
  const wanted = chosen === undefined ? proposed : [chosen];
  return view.instances.filter((instance) => wanted.includes(instance.id));
}

function carries(view: HostedVmView, instances: readonly Instance[]): { ok: boolean; text: string } {
  if (instances.length === 0) return { ok: false, text: 'Nobody stands ready to take over.' };
  const capacity = capacityOf(instances);
  const needs = neededQps(view.evaluation);
  if (needs === 0)
    return { ok: true, text: `${idsOf(instances)} carries ${formatQps(capacity)}; demand is not known.` };
  const enough = capacity >= needs;
  return {
    ok: enough,
    text: `${idsOf(instances)} carries ${formatQps(capacity)}; predicted p90 is ${formatQps(needs)}: ${enough ? 'enough' : 'not enough'}.`,
  };
}

function dataAge({ storageClass }: HostedVmView): { ok: boolean; text: string } {
  const { dataWords, severalMayRun } = storageClassRules[storageClass];
  return { ok: severalMayRun, text: dataWords };
}

function placesOf(instances: readonly Instance[]): string {
  if (instances.length === 0) return 'nobody that stands ready';
  return instances
    .map(
      ({ id, address, tier, node }) =>
        `${address ?? 'an address yet unknown'} (${id}, ${formatTier(tier)}${node === undefined ? '' : `, on ${node}`})`,
    )
    .join(' and ');
}

function idsOf(instances: readonly Instance[]): string {
  return instances.map((instance) => instance.id).join(' and ');
}
