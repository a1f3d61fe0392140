import type { World, WorldHaRule } from '../world/world.ts';

const list = (text: string | undefined): string[] => (text ?? '').split(/[,;\s]+/).filter(Boolean);

/** Why a rule can never hold among the others, by the option that is to blame; rules that are off do not count. */
export function infeasible(world: World, id: string, rule: WorldHaRule): ReadonlyMap<string, string> {
  const blamed = new Map<string, string>();
  if (rule.options['disable'] === '1') return blamed;
  const others = [...world.haRules].filter(([other, { options }]) => other !== id && options['disable'] !== '1');
  const reasons = rule.type === 'node-affinity' ? ofNodes(rule, others) : ofResources(world, rule, others);
  if (reasons.length > 0) blamed.set('resources', reasons.join(', '));
  return blamed;
}

type Named = readonly [string, WorldHaRule];

/** A resource is told by one rule where it may run. */
function ofNodes(rule: WorldHaRule, others: readonly Named[]): string[] {
  const taken = new Set(
    others
      .filter(([, other]) => other.type === 'node-affinity')
      .flatMap(([, { options }]) => list(options['resources'])),
  );
  return list(rule.options['resources'])
    .filter((sid) => taken.has(sid))
    .map((sid) => `resource '${sid}' is already used in another node affinity rule`);
}

/** Two at least, no more than there are nodes to keep them apart on, and not both together and apart. */
function ofResources(world: World, { options }: WorldHaRule, others: readonly Named[]): string[] {
  const resources = list(options['resources']);
  const reasons: string[] = [];
  if (resources.length < 2) reasons.push('rule is ineffective as there are less than two resources');
  if (options['affinity'] === 'negative' && resources.length > world.nodes.size)
    reasons.push('rule defines more resources than available nodes');
  const opposite = options['affinity'] === 'negative' ? 'positive' : 'negative';
  for (const [, other] of others) {
    if (other.type !== 'resource-affinity' || other.options['affinity'] !== opposite) continue;
    const shared = list(other.options['resources']).filter((sid) => resources.includes(sid));
    if (shared.length >= 2) reasons.push(`rule shares two or more resources with a ${opposite} resource affinity rule`);
  }
  return reasons;
}
