import { ProviderError } from '../../src/ports/errors.ts';
import type {
  DnsIntentOutcome,
  DnsObservation,
  DnsOutcome,
  DnsServerView,
  FormerAnswers,
  NameServer,
} from '../../src/ports/name-server.ts';

type Held = {
  a: readonly string[];
  aaaa: readonly string[];
  owner?: string;
  installation?: string;
  generation?: number;
  intent?: { readonly fence: string };
  ttlSeconds?: number;
};

/**
 * One authoritative server in memory: compare-and-set on the generation, as the real ones do it, and a record of every
 * answer it ever gave.
 */
export class FakeNameServer implements NameServer {
  readonly installation: string;
  readonly names = new Map<string, Held>();
  /** Every answer set in the order it came into force, by name. */
  readonly answers: { at: number; name: string; a: readonly string[]; generation: number }[] = [];
  away = false;

  constructor(installation = '3f9c2a71b0de') {
    this.installation = installation;
  }

  add(name: string, ...a: string[]): void {
    this.names.set(name, { a, aaaa: [] });
  }

  observe(_zone: string, names: readonly string[]): Promise<DnsObservation> {
    return Promise.resolve({ at: Date.now(), servers: [this.viewOf(names[0]!)] });
  }

  async ensureAnswers(change: Parameters<NameServer['ensureAnswers']>[0]): Promise<DnsOutcome> {
    await new Promise((resolve) => setTimeout(resolve, 2));
    const { owner, from, to, records } = change;
    const { takingOver = { only: [...records.a, ...records.aaaa] } } = change;
    const first = records.names[0]!;
    if (this.away) throw this.error('update', first);
    if (records.a.length + records.aaaa.length === 0) throw new Error(`empty answer for ${first}`);
    const held = records.names.map((name) => ({
      name,
      ttlSeconds: 5,
      ...(this.names.get(name) ?? { a: [], aaaa: [] }),
    }));
    const refused = this.refusalOf(held, owner, from);
    if (refused !== undefined) {
      const same = held.every(
        (each) => this.isOurs(each, owner) && each.generation === to && each.a.join() === [...records.a].join(),
      );
      if (!same) return { kind: refused, found: this.viewOf(first) };
      return { kind: 'already-applied', generation: to, readBack: { at: Date.now(), servers: [this.viewOf(first)] } };
    }
    const fresh = held.filter((each) => each.owner === undefined);
    const other = fresh.find(
      ({ a, aaaa }) =>
        takingOver !== 'anything' && [...a, ...aaaa].some((address) => !takingOver.only.includes(address)),
    );
    if (other !== undefined) return { kind: 'answers-differ', name: other.name, found: this.viewOf(other.name) };
    const at = Date.now();
    const { installation } = this;
    for (const name of records.names) {
      const { a, aaaa, ttlSeconds } = records;
      this.names.set(name, { a, aaaa, owner, installation, generation: to, ttlSeconds });
      this.answers.push({ at, name, a: records.a, generation: to });
    }
    const former = fresh.map(({ name, a, aaaa, ttlSeconds }) => ({ name, a, aaaa, ttlSeconds }));
    return {
      ...{ kind: 'applied', generation: to, appliedAtMs: at, readBack: { at, servers: [this.viewOf(first)] } },
      ...(former.length === 0 ? {} : { former }),
    };
  }

  async ensureIntent(change: Parameters<NameServer['ensureIntent']>[0]): Promise<DnsIntentOutcome> {
    await new Promise((resolve) => setTimeout(resolve, 2));
    const { owner, from, to, names, fence } = change;
    const first = names[0]!;
    if (this.away) throw this.error('claim the fence', first);
    const held = names.map((name) => this.names.get(name) ?? { a: [], aaaa: [] });
    const done = held.every(
      (each) => this.isOurs(each, owner) && each.generation === to && each.intent?.fence === fence,
    );
    if (done) return { kind: 'claimed', generation: to };
    const refused = this.refusalOf(held, owner, from);
    if (refused !== undefined) return { kind: refused, found: this.viewOf(first) };
    if (held.some(({ generation }) => generation !== from)) return { kind: 'behind', found: this.viewOf(first) };
    names.forEach((name, at) => this.names.set(name, { ...held[at]!, generation: to, intent: { fence } }));
    return { kind: 'claimed', generation: to };
  }

  release(
    owner: string,
    _zone: string,
    names: readonly string[],
    giveBack: readonly FormerAnswers[] = [],
  ): Promise<void> {
    if (this.away) return Promise.reject(this.error('release', names[0]!));
    for (const name of names) {
      const held = this.names.get(name);
      if (held === undefined || !this.isOurs(held, owner)) continue;
      const { a, aaaa, ttlSeconds = 5 } = giveBack.find((each) => each.name === name) ?? held;
      this.names.set(name, { a, aaaa, ttlSeconds });
    }
    return Promise.resolve();
  }

  private isOurs({ owner, installation }: Held, wanted: string): boolean {
    return owner === wanted && installation === this.installation;
  }

  private refusalOf(
    held: readonly Held[],
    owner: string,
    from: number | undefined,
  ): 'not-owned' | 'superseded' | undefined {
    if (held.some((each) => each.owner !== undefined && !this.isOurs(each, owner))) return 'not-owned';
    const generations = held.flatMap(({ generation }) => generation ?? []);
    if (generations.length === 0) return from === undefined ? undefined : 'not-owned';
    return from === undefined || Math.max(...generations) > from ? 'superseded' : undefined;
  }

  checkRights(): Promise<{ ok: boolean; detail: string }> {
    return Promise.resolve({ ok: !this.away, detail: 'fake' });
  }

  private viewOf(name: string): DnsServerView {
    const server = 'fake-dns:53';
    if (this.away) return { server, a: [], aaaa: [], error: 'no answer' };
    const held = this.names.get(name) ?? { a: [], aaaa: [] };
    return { server, ...held };
  }

  private error(operation: string, target: string): ProviderError {
    return new ProviderError({
      provider: 'fake-dns',
      operation,
      target,
      failureClass: 'transient',
      message: 'no answer',
    });
  }
}
