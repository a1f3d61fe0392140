import type { Instance } from '../domain/instance.ts';
import { formatDuration } from '../domain/time.ts';
import type { DisplayState, HostedVmView } from '../domain/view.ts';
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
export const worstFirst: readonly DisplayState[] = [
  'needs-human',
  'failing-over',
  'unprotected',
  'unknown',
  'probation',
  'promoting',
  'warming',
  'adopting',
  'protected',
  'paused',
  'retired',
];

export function stateCell(state: DisplayState): Cell {
  return { text: state, color: stateColor[state] };
}

/** Risk on screen is 0 to 100; a dash where there is none yet. */
export function riskText(view: HostedVmView): string {
  return view.evaluation === null ? '-' : String(Math.round(view.evaluation.risk.score * 100));
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

export function demandText(view: HostedVmView): string {
  const demand = view.evaluation?.demandQps;
  const now = demand === null || demand === undefined ? '-' : Number(demand.toPrecision(3)).toString();
  return `${now} / ${Number(view.capacityQps.toPrecision(4))} q/s`;
}

/** `in 23h59m (2026-11-22 18:40:12)`: a countdown names the moment too. */
export function untilText(at: number, now: number): string {
  const moment = new Date(at).toLocaleString('sv');
  return at > now ? `in ${formatDuration(at - now)} (${moment})` : `${formatDuration(now - at)} ago (${moment})`;
}

export function agoText(at: number, now: number): string {
  return `${formatDuration(Math.max(0, now - at))} ago`;
}
