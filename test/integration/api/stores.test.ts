import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { UmbraEvent } from '../../../src/domain/event.ts';
import type { Instance } from '../../../src/domain/instance.ts';
import type { HostedVmView } from '../../../src/domain/view.ts';
import { parseInventory } from '../../../src/inventory/parse.ts';
import { createHeartbeatStore } from '../../../src/providers/postgres/heartbeats.ts';
import { createInventoryStore } from '../../../src/providers/postgres/inventory.ts';
import { createRegistry } from '../../../src/providers/postgres/registry.ts';
import { startTestPostgres } from '../../support/postgres.ts';
import type { FreshDatabase, TestPostgres } from '../../support/postgres.ts';
import { exampleView } from '../../support/example-view.ts';

const text = readFileSync(new URL('../../../examples/inventory.yaml', import.meta.url), 'utf8');
const inventory = parseInventory(text).inventory!;

let server: TestPostgres;
let database: FreshDatabase;
beforeAll(async () => {
  server = await startTestPostgres();
}, 60_000);
beforeEach(async () => {
  database = await server.fresh();
});
afterAll(() => server.stop());

function event(id: string, at: number, more: Partial<UmbraEvent> = {}): UmbraEvent {
  const reason = { code: 'test', text: `event ${id}` };
  return { id, at, hostedVmId: 'shop', kind: 'shadow-warm', actor: 'workflow', reason, facts: { n: 1 }, ...more };
}

describe('the registry', () => {
  test('keeps the newest view and each event once, however often and in whatever order they come', async () => {
    const registry = createRegistry(database.sql);
    const newer: HostedVmView = { ...exampleView('shop'), at: 2_000, generation: 8 };
    await registry.save(newer, [event('a', 1), event('b', 2)]);
    await registry.save({ ...newer, at: 1_000, generation: 7 }, [event('b', 2), event('c', 2)]);
    expect(await registry.view('shop')).toEqual(newer);
    expect(await registry.view('blog')).toBeUndefined();
    expect((await registry.events({ limit: 10 })).map(({ id }) => id)).toEqual(['c', 'b', 'a']);
    expect(await registry.events({ limit: 10, before: 2, hostedVmId: 'shop' })).toEqual([event('a', 1)]);
    expect(await registry.events({ limit: 10, kinds: ['fenced'] })).toEqual([]);
  });

  test('wakes its listeners with the id of what changed', async () => {
    const registry = createRegistry(database.sql);
    const heard: string[] = [];
    let wake: () => void = () => undefined;
    const first = new Promise<void>((resolve) => (wake = resolve));
    const stop = await registry.onChange((id) => {
      heard.push(id);
      wake();
    });
    await registry.save(exampleView('shop'), []);
    await first;
    expect(heard).toEqual(['shop']);
    await stop();
  });

  test('watches whoever serves or should answer, and nobody who has been let go', async () => {
    const registry = createRegistry(database.sql);
    const view = exampleView('shop');
    const cold: Instance = {
      ...view.instances[1]!,
      id: 'shop/2',
      n: 2,
      state: { kind: 'warm', since: 0, warmth: 'stopped' },
    };
    await registry.save({ ...view, instances: [...view.instances, cold] }, []);
    const gone = exampleView('gone');
    await registry.save({ ...gone, phase: { kind: 'retired', since: 0 } }, []);
    expect((await registry.watched()).map(({ instance, serving }) => [instance.id, serving])).toEqual([
      ['shop/0', true],
      ['shop/1', false],
    ]);
  });
});

describe('revisions of the inventory', () => {
  test('are numbered, kept as written, and refused when somebody was faster', async () => {
    const store = createInventoryStore(database.sql, () => 42);
    expect(await store.current()).toBeUndefined();
    let hear: (revision: number) => void = () => undefined;
    const heard = new Promise<number>((resolve) => (hear = resolve));
    const stop = await store.onChange((revision) => hear(revision));
    const both = await Promise.all([store.append(inventory, text, 'ada', 0), store.append(inventory, text, 'bob', 0)]);
    expect(both.filter((revision) => revision !== undefined)).toHaveLength(1);
    expect(await store.append(inventory, text, 'ada', 7)).toBeUndefined();
    expect(await store.current()).toMatchObject({ revision: 1, appliedAt: 42, inventory, text });
    expect(await heard).toBe(1);
    await stop();
  });
});

describe('heartbeats', () => {
  test('only the newest of each instance is kept', async () => {
    const store = createHeartbeatStore(database.sql);
    await store.record([
      { instance: 'shop/0', at: 5, load: { qps: 3 } },
      { instance: 'shop/0', at: 4 },
      { instance: 'shop/1', at: 1, finding: 'overloaded' },
    ]);
    await store.record([{ instance: 'shop/0', at: 3 }]);
    expect(await store.newest(['shop/0', 'shop/1', 'shop/9'])).toEqual(
      new Map([
        ['shop/0', { instance: 'shop/0', at: 5, load: { qps: 3 } }],
        ['shop/1', { instance: 'shop/1', at: 1, finding: 'overloaded' }],
      ]),
    );
  });
});
