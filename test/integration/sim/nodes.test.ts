import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { resolve } from 'node:path';
import type { Simulator } from '../../../src/sim/simulator.ts';
import { ask, virtualCluster } from './client.ts';
import type { Answer } from './client.ts';

type Form = Record<string, string | number>;
type Rows = Record<string, unknown>[];
const world2 = resolve(import.meta.dirname, '../../fixtures/proxmox/world-2');
const figures = ['cpu', 'maxcpu', 'mem', 'maxmem', 'disk', 'maxdisk', 'uptime'];

let sim: Simulator;
beforeEach(async () => {
  sim = await virtualCluster(world2);
});
afterEach(() => sim.close());

const as =
  (id: string) =>
  (method: string, path: string, form?: Form): Promise<Answer> =>
    ask(
      sim,
      method,
      path,
      form,
      sim.tokens.find((token) => token.id === id),
    );
const root = as('root@pam!full');
const limited = as('umbra@pve!umbra');
const rowsOf = async (path: string, who = root): Promise<Rows> => (await who('GET', path)).data as Rows;

describe.each(['/nodes', '/cluster/resources?type=node'])('%s', (path) => {
  test('shows what nodes are worth to who may audit them, and that they are there to everybody', async () => {
    for (const row of await rowsOf(path))
      expect(Object.keys(row)).toEqual(expect.arrayContaining([...figures, 'level']));
    for (const row of await rowsOf(path, limited)) {
      expect(row).toMatchObject({ type: 'node', status: 'online', level: '' });
      for (const figure of figures) expect(row).not.toHaveProperty(figure);
    }
  });

  test('a right on / that does not propagate is none on a node; one on the node is', async () => {
    await root('PUT', '/access/acl', {
      path: '/nodes/pve2',
      users: 'umbra@pve',
      tokens: 'umbra@pve!umbra',
      roles: 'UmbraCluster',
    });
    const rows = await rowsOf(path, limited);
    expect(rows.filter((row) => row['maxmem'] !== undefined).map(({ node }) => node)).toEqual(['pve2']);
  });

  test('of a node that has lost power there is left how large it was, until nobody believes that any more', async () => {
    await sim.fault('node pve3 off');
    const pve3 = async (): Promise<Rows[number]> => (await rowsOf(path)).find(({ node }) => node === 'pve3')!;
    expect(await pve3()).toMatchObject({ status: 'offline', maxcpu: 2, level: '' });
    expect(await pve3()).not.toHaveProperty('mem');
    await sim.advance(310_000);
    expect(await pve3()).not.toHaveProperty('maxcpu');
  });
});

test('a total of none is left out', async () => {
  const ask = await fetch(`${sim.url}/api2/json/nodes/pve1/tasks`, {
    headers: { authorization: `PVEAPIToken=${sim.tokens[0]!.id}=${sim.tokens[0]!.secret}` },
  });
  expect(await ask.json()).toEqual({ data: [] });
});

describe('networks', () => {
  test('a bridge is shown to who may use it or one of its VLANs', async () => {
    const bridges = '/nodes/pve2/network?type=any_bridge';
    expect(await rowsOf(bridges, limited)).toMatchObject([{ iface: 'vmbr0', address: '10.77.0.2' }]);
    sim.cluster.world.acls = sim.cluster.world.acls.filter(({ path }) => !path.startsWith('/sdn'));
    expect(await rowsOf(bridges, limited)).toEqual([]);
    for (const who of ['umbra@pve', 'umbra@pve!umbra'])
      sim.cluster.world.acls.push({
        path: '/sdn/zones/localnetwork/vmbr0/7',
        propagate: true,
        who,
        role: 'UmbraNetwork',
      });
    expect(await rowsOf(bridges, limited)).toHaveLength(1);
  });

  test.each([
    ['/nodes/pve1/network/vmbr7', { iface: 'interface does not exist' }],
    ['/nodes/pve1/network/v', { iface: "invalid format - invalid network interface name 'v'\n" }],
  ])('%s is refused', async (path, errors) => {
    expect(await root('GET', path)).toMatchObject({ status: 400, errors });
  });
});

describe('cluster options', () => {
  test('are read as what they mean, and by who may not audit the cluster only in part', async () => {
    await root('PUT', '/cluster/options', {
      keyboard: 'de',
      'tag-style': 'ordering=config,case-sensitive=1',
      'registered-tags': 'gold;umbra',
      max_workers: 3,
    });
    expect((await root('GET', '/cluster/options')).data).toMatchObject({
      keyboard: 'de',
      mac_prefix: 'BC:24:11',
      description: '',
      max_workers: 3,
      'tag-style': { ordering: 'config', 'case-sensitive': 1 },
      'registered-tags': ['gold', 'umbra'],
    });
    sim.cluster.world.acls = sim.cluster.world.acls.filter(({ path }) => path !== '/');
    const { data } = await limited('GET', '/cluster/options');
    expect(Object.keys(data as object).sort()).toEqual(['allowed-tags', 'tag-style']);
  });

  test.each<[Form, Record<string, string>]>([
    [
      { keyboard: 'xx' },
      { keyboard: expect.stringMatching(/^value 'xx' does not have a value in the enumeration/) as never },
    ],
    [{ 'registered-tags': 'a b' }, { 'registered-tags': 'value does not match the regex pattern' }],
    [{ 'user-tag-access': 'user-allow=some' }, { 'user-tag-access': expect.stringContaining('user-allow') as never }],
    [
      { nonsense: 1 },
      { nonsense: 'property is not defined in schema and the schema does not allow additional properties' },
    ],
  ])('%j is refused', async (form, errors) => {
    expect(await root('PUT', '/cluster/options', form)).toMatchObject({ status: 400, errors });
  });

  const tagged = (tags: string): Promise<Answer> => limited('PUT', '/nodes/pve1/qemu/101/config', { tags });
  test.each([
    ['user-allow=none', 'umbra-new', 403],
    ['user-allow=list,user-allow-list=umbra-new;other', 'umbra-new', 200],
    ['user-allow=list,user-allow-list=other', 'umbra-new', 403],
    ['user-allow=existing', 'umbra-new', 403],
    ['user-allow=existing', 'golden', 200],
    // A tag that only guests have which the token does not see is no tag to it.
    ['user-allow=existing', 'secret', 403],
    ['user-allow=free', 'umbra-new', 200],
  ])('with %s a token that adds the tag %s hears %i', async (access, tag, status) => {
    const { guests } = sim.cluster.world;
    guests.get(9000)!.config.current['tags'] = 'golden';
    guests.get(302)!.config.current['tags'] = 'secret';
    await root('PUT', '/cluster/options', { 'user-tag-access': access });
    const before = guests.get(101)!.config.current['tags'] ?? '';
    expect(await tagged(`${before};${tag}`)).toMatchObject({ status });
  });
});

test('the log of the cluster shows a token what it did itself', async () => {
  const start = (who: typeof root) => who('POST', '/nodes/pve1/qemu/101/status/start', {});
  await sim.cluster.tasks.find(String((await start(root)).data))!.ended;
  expect(await rowsOf('/cluster/log', limited)).toEqual([]);
  expect(await rowsOf('/cluster/log?max=1')).toMatchObject([
    { msg: expect.stringMatching(/^end task UPID:.* OK$/) as never },
  ]);
});
