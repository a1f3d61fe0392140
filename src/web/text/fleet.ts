import type { EpochMs } from '../../domain/time.ts';
import type { DisplayState, HostedVmView } from '../../domain/view.ts';
import { formatLeftShort } from './when.ts';
import { looks, rankOf, worstFirst } from './states.ts';

/** Is everyone safe? `23 protected, 1 on its shadow (17 h of probation left), 2 without protection`. */
export function fleetSentence(views: readonly HostedVmView[], now: EpochMs): string {
  if (views.length === 0) return 'No hosted VM is known yet.';
  const parts: string[] = [];
  for (const state of sentenceOrder) {
    const of = views.filter((view) => view.state === state);
    if (of.length === 0) continue;
    const ends = of.map((view) => view.probationEndsAt).filter((at) => at !== null);
    const left =
      state === 'probation' && ends.length > 0 ? ` (${formatLeftShort(Math.min(...ends), now)} of probation left)` : '';
    const label = state === 'probation' && of.length > 1 ? 'on their shadows' : looks[state].label;
    parts.push(`${of.length} ${label}${left}`);
  }
  return parts.join(', ');
}

const sentenceOrder: readonly DisplayState[] = [
  'protected',
  ...worstFirst.filter((state) => state !== 'protected').reverse(),
];

/** Worst first; among equals the riskier, then by name. */
export function byWorst(a: HostedVmView, b: HostedVmView): number {
  return (
    rankOf(a) - rankOf(b) ||
    (b.evaluation?.risk.score ?? 0) - (a.evaluation?.risk.score ?? 0) ||
    a.id.localeCompare(b.id)
  );
}

/** `q` matches id, names, node and address; empty filters match everything. */
export function matches(view: HostedVmView, filter: { readonly q: string; readonly state: string }): boolean {
  if (filter.state !== '' && view.state !== filter.state) return false;
  const wanted = filter.q.trim().toLowerCase();
  if (wanted === '') return true;
  const where = view.instances.flatMap((instance) => [
    instance.node ?? '',
    instance.address ?? '',
    String(instance.vmid ?? ''),
  ]);
  return [view.id, ...view.names, ...where].some((text) => text.toLowerCase().includes(wanted));
}
