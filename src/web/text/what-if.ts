import type { Instance } from '../../domain/instance.ts';
import { planTraffic, readyToServe } from '../../domain/traffic.ts';
import type { HostedVmView } from '../../domain/view.ts';
import { counted } from './numbers.ts';
import { servingOf } from './instances.ts';

/** What becomes of one hosted VM when a node dies now. */
export type NodeLoss = {
  readonly id: string;
  readonly lost: readonly Instance[];
  /** Who would carry it, as the failover would choose if all that stand ready answered. */
  readonly carriers: readonly Instance[];
  readonly carriesQps: number;
  /** Predicted p90, or demand where there is no forecast; null when neither is known. */
  readonly needsQps: number | null;
  readonly fits: boolean;
};

/** Nodes that serve or shadow something, by name. */
export function nodesOf(views: readonly HostedVmView[]): string[] {
  const nodes = views.flatMap((view) => view.instances.filter(isPresent).map((instance) => instance.node));
  return [...new Set(nodes.filter((node) => node !== undefined))].sort((a, b) =>
    a.localeCompare(b, undefined, { numeric: true }),
  );
}

/** Every hosted VM that loses a serving instance with `node`, those that do not fit first. */
export function lossOf(
  node: string,
  views: readonly HostedVmView[],
  away: ReadonlySet<string> = new Set(),
): NodeLoss[] {
  return views
    .filter((view) => view.state !== 'retired')
    .flatMap((view) => {
      const serving = servingOf(view);
      const lost = serving.filter((instance) => instance.node === node);
      if (lost.length === 0) return [];
      const ready = readyToServe(view).filter((instance) => instance.node !== node && !away.has(instance.node ?? ''));
      const { evaluation } = view;
      const plan = planTraffic({ serving, ready, evaluation }, { kind: 'failed', lost: lost.map(({ id }) => id) });
      const { serving: carriers, capacityQps: carriesQps, carries: fits } = plan;
      const known = evaluation !== null && (evaluation.peak !== null || evaluation.demandQps !== null);
      return [{ id: view.id, lost, carriers, carriesQps, needsQps: known ? plan.neededQps : null, fits }];
    })
    .sort((a, b) => Number(a.fits) - Number(b.fits) || a.id.localeCompare(b.id));
}

/** If a node dies now, who fits? `away`: nodes that are not usable already, which nobody has to imagine. */
export function capacitySentence(views: readonly HostedVmView[], away: ReadonlySet<string> = new Set()): string {
  const gone = [...away].sort();
  const already = gone.length === 0 ? '' : `${gone.join(', ')} ${gone.length === 1 ? 'is' : 'are'} away already. `;
  const nodes = nodesOf(views).filter((node) => !away.has(node));
  if (nodes.length === 0) return `${already}No hosted VM is known to run on a node yet.`;
  const bad = nodes
    .map((node) => ({ node, unfit: lossOf(node, views, away).filter((loss) => !loss.fits) }))
    .filter(({ unfit }) => unfit.length > 0);
  if (bad.length === 0)
    return `${already}Any one of ${counted(nodes.length, 'node')} can die now: everything it serves fits on warm shadows elsewhere.`;
  const worst = bad.sort((a, b) => b.unfit.length - a.unfit.length)[0]!;
  const names = worst.unfit.slice(0, 3).map((loss) => loss.id);
  const more = worst.unfit.length > names.length ? ` and ${worst.unfit.length - names.length} more` : '';
  const others = bad.length > 1 ? ` ${counted(bad.length - 1, 'other node')} would leave somebody without, too.` : '';
  return `${already}If ${worst.node} dies now, ${names.join(', ')}${more} ${worst.unfit.length === 1 ? 'does' : 'do'} not fit elsewhere.${others}`;
}

function isPresent(instance: Instance): boolean {
  return !['deleted', 'retired', 'failed'].includes(instance.state.kind);
}
