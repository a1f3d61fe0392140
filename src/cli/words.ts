import type { Instance } from '../domain/instance.ts';
import { formatDuration } from '../domain/time.ts';
import { unshadowedByPolicy } from '../domain/view.ts';
import type { DisplayState, HostedVmView } from '../domain/view.ts';
import type { Api } from './api-client.ts';
import type { Cell } from './table.ts';
import type { Color } from './terminal.ts';

/** One colour a state, as on the dashboard, and never colour alone. */
export const stateColor: Readonly<Record<DisplayState, Color>> = {
  protected: 'green',
  warming: 'blue',
  adopting: 'blue',
  promoting: 'blue',
  probation: 'amber',
  'failing-over': 'amber',
  unprotected: 'red',
  'needs-human': 'red',
  paused: 'grey',
  retired: 'grey',
  unknown: 'grey',
};

/** What needs a person first. */
const worstFirst: readonly DisplayState[] = [
  'needs-human',
  'unprotected',
  'failing-over',
  'probation',
  'promoting',
  'unknown',
  'adopting',
  'warming',
  'paused',
  'protected',
  'retired',
];

/** Place in a list; who has no shadow by policy stands among the calm. */
export function rankOf(view: HostedVmView): number {
  return worstFirst.indexOf(unshadowedByPolicy(view) ? 'paused' : view.state);
}

export function stateCell(view: HostedVmView): Cell {
  return { text: view.state, color: unshadowedByPolicy(view) ? 'grey' : stateColor[view.state] };
}

/** Risk on screen is 0 to 100; a dash where there is none yet. */
export function riskText(view: HostedVmView): string {
  if (view.evaluation === null) return '-';
  const points = view.evaluation.risk.score * 100;
  return points > 0 && points < 1 ? '<1' : String(Math.round(points));
}

export function primaryOf(view: HostedVmView): Instance | undefined {
  return view.instances.find(({ role }) => role === 'primary');
}

export function shadowsOf(view: HostedVmView): Instance[] {
  return view.instances.filter(({ role, state }) => role === 'shadow' && state.kind !== 'deleted');
}

/** `1x 9001 hot`. */
export function shadowText({ tier, vmid, state }: Instance): string {
  const how = state.kind === 'warm' ? state.warmth : state.kind;
  return `${tier}x ${vmid ?? 'no VMID yet'} ${how}`;
}

export type DemandNow = Readonly<Record<string, { readonly qps: number; readonly at: number } | undefined>>;

/** Demand is counted by the second, an evaluation may be an hour old. Without the store the evaluation's will do. */
export async function demandNow(api: Api): Promise<DemandNow> {
  return await api.read<DemandNow>('/api/v1/demand/now').catch(() => ({}));
}

/** Three intervals of a collector: an older figure says its age. */
const freshMs = 30_000;

/** `412 / 1000 q/s`, with its age behind it once it is old. */
export function demandText(view: HostedVmView, newest: DemandNow, now: number): string {
  const { evaluation } = view;
  const evaluated = evaluation === null ? undefined : { qps: evaluation.demandQps, at: evaluation.at };
  const { qps, at } = newest[view.id] ?? evaluated ?? { qps: null, at: now };
  const demand = qps === null ? '-' : Number(qps.toPrecision(3)).toString();
  const age = qps !== null && now - at > freshMs ? ` (${agoText(at, now)})` : '';
  return `${demand} / ${Number(view.capacityQps.toPrecision(4))} q/s${age}`;
}

/** `in 23h59m (2026-11-22 18:40:12)`: a countdown names the moment too. */
export function untilText(at: number, now: number): string {
  const moment = new Date(at).toLocaleString('sv');
  return at > now ? `in ${formatDuration(at - now)} (${moment})` : `${formatDuration(now - at)} ago (${moment})`;
}

export function agoText(at: number, now: number): string {
  return `${formatDuration(Math.max(0, now - at))} ago`;
}
