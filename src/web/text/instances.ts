import type { Instance, Tier } from '../../domain/instance.ts';
import { assertNever } from '../../domain/reason.ts';
import type { HostedVmView } from '../../domain/view.ts';

/** Shadows that exist or are being made, without the one that serves. */
export function shadowsOf(view: HostedVmView): Instance[] {
  return view.instances.filter(
    (instance) =>
      instance.role === 'shadow' &&
      !view.serving.includes(instance.id) &&
      !['deleted', 'retired'].includes(instance.state.kind),
  );
}

export function servingOf(view: HostedVmView): Instance[] {
  return view.instances.filter((instance) => view.serving.includes(instance.id));
}

export function formatTier(tier: Tier): string {
  return `${tier}\u00d7`;
}

/** `warm`, `cloning`, `retired`: two words at most, for an instance that DNS does not name. */
export function instanceWords(instance: Instance): string {
  const { state } = instance;
  switch (state.kind) {
    case 'provisioning':
      return state.step;
    case 'warm':
      return state.warmth === 'hot' ? 'warm' : `warm, ${state.warmth}`;
    case 'serving':
      return 'standing by';
    case 'fenced':
    case 'retired':
    case 'deleted':
    case 'failed':
      return state.kind;
    default:
      return assertNever(state);
  }
}

/** `1x warm, 2x cloning (2)`: shadows by tier and warmth. */
export function shadowSummary(
  shadows: readonly Instance[],
): { readonly tier: string; readonly words: string; readonly count: number }[] {
  const groups = new Map<string, { tier: string; words: string; count: number }>();
  for (const shadow of [...shadows].sort((a, b) => a.tier - b.tier)) {
    const group = { tier: formatTier(shadow.tier), words: instanceWords(shadow), count: 0 };
    const key = `${group.tier} ${group.words}`;
    groups.set(key, { ...group, count: (groups.get(key)?.count ?? 0) + 1 });
  }
  return [...groups.values()];
}
