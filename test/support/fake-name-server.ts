import { ProviderError } from '../../src/ports/errors.ts';
import type {
  DnsObservation,
  DnsOutcome,
  DnsRecordSet,
  DnsServerView,
  NameServer,
} from '../../src/ports/name-server.ts';

type Held = {
  a: readonly string[];
  aaaa: readonly string[];
  owner?: string;
  generation?: number;
  ttlSeconds?: number;
};

/** One authoritative server in memory: compare-and-set on the generation, and a record of every answer it ever gave. */
export class FakeNameServer implements NameServer {
  readonly names = new Map<string, Held>();
  /** Every answer set in the order it came into force, by name. */
  readonly answers: { at: number; name: string; a: readonly string[]; generation: number }[] = [];
  away = false;

  add(name: string, ...a: string[]): void {
    this.names.set(name, { a, aaaa: [] });
  }

  observe(_zone: string, names: readonly string[]): Promise<DnsObservation> {
    return Promise.resolve({ at: Date.now(), servers: [this.viewOf(names[0]!)] });
  }

  async ensureAnswers(change: {
    readonly owner: string;
    readonly from: number | undefined;
    readonly to: number;
    readonly records: DnsRecordSet;
  }): Promise<DnsOutcome> {
    await new Promise((resolve) => setTimeout(resolve, 2));
    const { owner, from, to, records } = change;
    const first = records.names[0]!;
    if (this.away) throw this.error('update', first);
    if (records.a.length + records.aaaa.length === 0) throw new Error(`empty answer for ${first}`);
    const held = this.names.get(first);
    const found = this.viewOf(first);
    if (held?.owner === owner && held.generation === to && held.a.join() === [...records.a].join()) {
      return { kind: 'already-applied', generation: to, readBack: { at: Date.now(), servers: [found] } };
    }
    if (from === undefined) {
      if (held?.owner !== undefined) return { kind: 'not-owned', found };
    } else if (held?.owner !== owner) {
      return { kind: 'not-owned', found };
    } else if (held.generation !== from) {
      return { kind: 'superseded', found };
    }
    const at = Date.now();
    for (const name of records.names) {
      this.names.set(name, { a: records.a, aaaa: records.aaaa, owner, generation: to, ttlSeconds: records.ttlSeconds });
      this.answers.push({ at, name, a: records.a, generation: to });
    }
    return {
      kind: 'applied',
      generation: to,
      appliedAtMs: at,
      readBack: { at, servers: [this.viewOf(first)] },
    };
  }

  release(_owner: string, _zone: string, names: readonly string[]): Promise<void> {
    for (const name of names) {
      const { a, aaaa } = this.names.get(name) ?? { a: [], aaaa: [] };
      this.names.set(name, { a, aaaa });
    }
    return Promise.resolve();
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
