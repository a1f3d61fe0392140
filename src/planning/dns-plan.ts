import type { Instance } from '../domain/instance.ts';
import type { Refusal } from '../domain/reason.ts';
import { refuse } from '../domain/reason.ts';

export type DnsPlan = {
  readonly kind: 'plan';
  readonly zone: string;
  readonly names: readonly string[];
  readonly ttlSeconds: number;
  readonly a: readonly string[];
  readonly aaaa: readonly string[];
  readonly from: number | undefined;
  readonly to: number;
};

export type DnsWish = {
  readonly zone: string;
  readonly names: readonly string[];
  readonly ttlSeconds: number;
  readonly serving: readonly Pick<Instance, 'id' | 'address' | 'address6' | 'state'>[];
  /** Generation the TXT must hold; undefined adopts. */
  readonly from: number | undefined;
};

/**
 * Current to desired: the addresses of the serving set at the next generation.
 * Refuses an empty answer and one that names a guest that is gone: the last answer is better than either.
 */
export function planAnswers(wish: DnsWish): DnsPlan | Refusal {
  const gone = wish.serving.find(({ state }) => state.kind === 'deleted' || state.kind === 'retired');
  if (gone !== undefined) return refuse('names-the-gone', `${gone.id} is ${gone.state.kind}: no answer may name it`);
  const a = unique(wish.serving.map(({ address }) => address));
  const aaaa = unique(wish.serving.map(({ address6 }) => address6));
  if (a.length + aaaa.length === 0) {
    return refuse('never-empty', `no address is known for ${wish.serving.map(({ id }) => id).join(', ') || 'nobody'}`);
  }
  const { zone, names, ttlSeconds, from } = wish;
  return { kind: 'plan', zone, names, ttlSeconds, a, aaaa, from, to: (from ?? 0) + 1 };
}

function unique(addresses: readonly (string | undefined)[]): string[] {
  return [...new Set(addresses.filter((address) => address !== undefined))].sort();
}
