import { describe, expect, test } from '@jest/globals';
import type { LeaseRequest } from '../../../src/domain/cluster-messages.ts';
import type { Lease } from '../../../src/domain/cluster/lease.ts';
import type { ClusterSnapshot, NodeFacts } from '../../../src/domain/cluster/snapshot.ts';
import type { PlacementWorld } from '../../../src/planning/placement.ts';
import { planPlacements } from '../../../src/planning/placement.ts';

function node(name: string, change: Partial<NodeFacts> = {}): NodeFacts {
  return {
    node: name,
    online: true,
    maintenance: false,
    cpus: 8,
    memoryMiB: 32_768,
    othersMemoryMiB: 8_192,
    othersCores: 4,
    hostMemoryMiB: 0,
    ...change,
  };
}

function world(change: Partial<PlacementWorld> = {}, snapshot: Partial<ClusterSnapshot> = {}): PlacementWorld {
  return {
    snapshot: {
      at: 0,
      quorate: true,
      nodes: [node('pve1'), node('pve2'), node('pve3')],
      guests: [{ vmid: 101, node: 'pve1', role: 'primary' }],
      strayVmids: [],
      strayAddresses: [],
      ...snapshot,
    },
    origins: new Map([[9000, [{ vmid: 9000, node: 'pve1', template: true, storages: ['ceph'] }]]]),
    storages: [{ storage: 'ceph', nodes: ['pve1', 'pve2', 'pve3'], shared: true }],
    storagesOf: new Map(),
    ...change,
  };
}

function ask(n: number, change: Partial<LeaseRequest> = {}): LeaseRequest {
  return {
    requestId: `lease/shop/${n}`,
    replyTo: `shadow-vm/shop/${n}`,
    instance: `shop/${n}`,
    hostedVmId: 'shop',
    tier: 1,
    warmth: 'hot',
    cores: 2,
    memoryMiB: 4_096,
    awayFrom: [{ vmid: 101, strict: true }],
    source: { vmid: 9000 },
    ...change,
  };
}

const placeOf = (w: PlacementWorld, leases: readonly Lease[] = [], change: Partial<LeaseRequest> = {}) =>
  planPlacements(w, leases, [ask(1, change)])[0]!;

describe('placement', () => {
  test('never on the primary’s node, else where most memory is free', () => {
    const nodes = [node('pve1', { othersMemoryMiB: 0 }), node('pve2'), node('pve3', { othersMemoryMiB: 2_048 })];
    expect(placeOf(world({}, { nodes }))).toEqual({
      kind: 'placed',
      requestId: 'lease/shop/1',
      node: 'pve3',
      full: false,
      storage: 'ceph',
      source: { vmid: 9000 },
    });
  });

  test('the primary’s node is where it is now, not where the request remembers it', () => {
    const moved = world({}, { guests: [{ vmid: 101, node: 'pve3' }], nodes: [node('pve1'), node('pve3')] });
    expect(placeOf(moved, [], { awayFrom: [{ vmid: 101, node: 'pve1', strict: true }] })).toMatchObject({
      node: 'pve1',
    });
  });

  test('siblings spread, and requests in one batch see each other', () => {
    const placements = planPlacements(world(), [], [ask(1), ask(2)]);
    expect(new Set(placements.map((one) => (one.kind === 'placed' ? one.node : 'refused')))).toEqual(
      new Set(['pve2', 'pve3']),
    );
  });

  test('a one-node cluster relaxes the rule and says so', () => {
    const alone = world({}, { nodes: [node('pve1')] });
    expect(placeOf(alone)).toMatchObject({ kind: 'placed', node: 'pve1', relaxed: { code: 'one-node' } });
  });

  test('two nodes of which one is off are not a one-node cluster', () => {
    const nodes = [node('pve1'), node('pve2', { online: false })];
    const refused = placeOf(world({}, { nodes }));
    expect(refused).toMatchObject({
      kind: 'refused',
      reason: { code: 'no-place', facts: { needMiB: 4_096, nodes: 2 } },
    });
    expect(refused).toMatchObject({
      reason: {
        text: expect.stringContaining('pve1 runs VM 101, which it stands by for; pve2 is off or in maintenance'),
      },
    });
  });

  test('a node whose memory is not visible is not one without room: what is missing is the refusal', () => {
    const { online, maintenance, othersMemoryMiB, othersCores, hostMemoryMiB } = node('pve2');
    const blind = { node: 'pve2', online, maintenance, othersMemoryMiB, othersCores, hostMemoryMiB };
    const hidden = 'memory of pve2 is not visible to this token: it needs Sys.Audit on /nodes';
    const full = node('pve3', { othersMemoryMiB: 32_000 });
    const nodes = [node('pve1'), { ...blind, hidden }, full];
    expect(placeOf(world({}, { nodes }))).toMatchObject({
      kind: 'refused',
      reason: { code: 'room-unseen', text: `${hidden}.` },
    });
    // Where another one has room, nobody waits for it.
    expect(placeOf(world({}, { nodes: [node('pve1'), { ...blind, hidden }, node('pve3')] }))).toMatchObject({
      node: 'pve3',
    });
  });

  test('a node in maintenance takes nothing', () => {
    const nodes = [node('pve1'), node('pve2', { maintenance: true }), node('pve3', { othersMemoryMiB: 12_000 })];
    expect(placeOf(world({}, { nodes }))).toMatchObject({ node: 'pve3' });
  });

  test('a refusal names what every node lacks, with numbers', () => {
    const nodes = [node('pve1'), node('pve2', { othersMemoryMiB: 30_000 }), node('pve3', { othersCores: 31 })];
    const refused = placeOf(world({}, { nodes }));
    expect(refused.kind === 'refused' ? refused.reason.text : '').toBe(
      'No node can take shop/1 (2 vCPUs, 4096 MiB, hot): pve1 runs VM 101, which it stands by for; ' +
        'pve2 has 1129 of 4096 MiB free; pve3 has 1 of 2 vCPUs left.',
    );
  });

  test('a template on local storage can only be copied on its own node, or by its twin on another', () => {
    const local = { vmid: 9000, node: 'pve1', template: true, storages: ['local-lvm'] };
    const storages = [{ storage: 'local-lvm', nodes: ['pve1', 'pve2', 'pve3'], shared: false }];
    expect(placeOf(world({ origins: new Map([[9000, [local]]]), storages }))).toMatchObject({
      kind: 'refused',
      reason: { text: expect.stringContaining('a template of the same name on pve2 or shared storage would do') },
    });
    const twin = { ...local, vmid: 9100, node: 'pve3' };
    expect(placeOf(world({ origins: new Map([[9000, [local, twin]]]), storages }))).toMatchObject({
      node: 'pve3',
      source: { vmid: 9100 },
      full: false,
    });
  });

  test('a guest that is no template is copied in full, to the storage of the inventory', () => {
    const origins = new Map([[101, [{ vmid: 101, node: 'pve1', template: false, storages: ['ceph'] }]]]);
    const storages = [...world().storages, { storage: 'fast', nodes: ['pve2'], shared: true }];
    expect(placeOf(world({ origins, storages, storage: 'fast' }), [], { source: { vmid: 101 } })).toMatchObject({
      full: true,
      storage: 'fast',
      node: 'pve2',
    });
  });

  test('another storage than the primary’s is preferred', () => {
    const local = (vmid: number, name: string, storage: string) => ({
      vmid,
      node: name,
      template: true,
      storages: [storage],
    });
    const w = world({
      origins: new Map([[9000, [local(9000, 'pve2', 'a'), local(9100, 'pve3', 'b')]]]),
      storages: [
        { storage: 'a', nodes: ['pve2'], shared: false },
        { storage: 'b', nodes: ['pve3'], shared: false },
      ],
      storagesOf: new Map([[101, ['a']]]),
    });
    expect(placeOf(w)).toMatchObject({ node: 'pve3', storage: 'b' });
  });

  test('nobody loses its place after the loss of a node by a new one', () => {
    // mail/1 is stopped on pve3 and needs 18,000 MiB there when pve2 is lost; a hot shop shadow would take them.
    const mail = {
      ...({ ...lease(), instance: 'mail/1', hostedVmId: 'mail', vmid: 9005, node: 'pve3', warmth: 'stopped' } as const),
      memoryMiB: 18_000,
      primaryVmid: 102,
    };
    const w = world(
      {},
      {
        nodes: [node('pve1'), node('pve2', { othersMemoryMiB: 31_000 }), node('pve3')],
        guests: [
          { vmid: 101, node: 'pve1' },
          { vmid: 102, node: 'pve2' },
        ],
      },
    );
    expect(placeOf(w, [mail], { memoryMiB: 8_192 })).toMatchObject({
      kind: 'refused',
      reason: { text: expect.stringContaining('would leave mail without room if pve2 were lost') },
    });
    expect(placeOf(w, [mail], { memoryMiB: 2_048 })).toMatchObject({ kind: 'placed', node: 'pve3' });
  });

  test('without a quorum or without a source nothing is placed', () => {
    expect(placeOf(world({}, { quorate: false }))).toMatchObject({ reason: { code: 'no-quorum' } });
    expect(placeOf(world({ origins: new Map() }))).toMatchObject({ reason: { code: 'no-source' } });
    const unseen = placeOf(world({ origins: new Map() }), [], { otherSources: [{ vmid: 9001 }] });
    expect(unseen).toMatchObject({ reason: { text: expect.stringContaining('VM 9000 or 9001') } });
  });

  test('a copy is copied while the source is not to be seen, its snapshot or not', () => {
    const copy = { vmid: 9001, node: 'pve2', template: false, storages: ['ceph'] };
    const source = { vmid: 101, snapshot: 'golden' };
    const origins = new Map([
      [101, []],
      [9001, [copy]],
    ]);
    const placed = placeOf(world({ origins }), [], { source, otherSources: [{ vmid: 9002 }, { vmid: 9001 }] });
    expect(placed).toMatchObject({ kind: 'placed', full: true, source: { vmid: 9001 } });
    expect(placed).not.toHaveProperty('source.snapshot');
  });
});

function lease(): Lease {
  return {
    ...{ requestId: 'r', replyTo: 'x', instance: 'shop/9', hostedVmId: 'shop', role: 'shadow', tier: 1, warmth: 'hot' },
    ...{ cores: 1, memoryMiB: 1_024, vmid: 9009, address: '10.0.0.19', node: 'pve2', full: false },
    ...{ grantedAt: 0, expiresAt: null },
  };
}
