import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { run } from '../../../src/cli/program.ts';
import { parseInventory } from '../../../src/inventory/parse.ts';
import { fakeTerminal } from '../../unit/cli/terminal.ts';
import { available, key, startTestServer, zone } from '../dns/servers.ts';
import type { TestServer } from '../dns/servers.ts';
import { openLab } from '../proxmox/lab.ts';
import type { Lab } from '../proxmox/lab.ts';

const records = [
  { name: `shop.${zone}`, type: 'A' as const, ttlSeconds: 5, value: '127.10.0.101' },
  { name: `www.${zone}`, type: 'CNAME' as const, ttlSeconds: 5, value: `shop.${zone}` },
  { name: `far.${zone}`, type: 'A' as const, ttlSeconds: 5, value: '203.0.113.9' },
];

const suite = available('bind') ? describe : describe.skip;

suite('umbra discover', () => {
  let lab: Lab;
  let open: TestServer;
  let closed: TestServer;
  let service: Server;
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'umbra-discover-'));
    [lab, open, closed] = await Promise.all([
      openLab(),
      startTestServer('bind', records),
      startTestServer('bind', records, { transfers: false }),
    ]);
    service = createServer((_request, response) => response.end('well'));
    await new Promise<void>((resolve) => service.listen(0, '127.10.0.101', resolve));
    const token = lab.sim.tokens[0]!;
    await writeFile(join(dir, 'pve.token'), `${token.id}=${token.secret}\n`, { mode: 0o600 });
    await writeFile(join(dir, 'tsig.key'), `${key.algorithm}:${key.name}:${key.secret}\n`, { mode: 0o600 });
  }, 60_000);
  afterAll(async () => {
    await new Promise((resolve) => service.close(resolve));
    await Promise.all([lab.close(), open.close(), closed.close()]);
    await rm(dir, { recursive: true });
  });

  async function discover(server: TestServer, ...more: string[]) {
    const terminal = fakeTerminal({ now: Date.now });
    const flags = {
      '--cluster': 'lab',
      '--endpoint': lab.sim.url,
      '--token-file': join(dir, 'pve.token'),
      '--vmids': '9001-9099',
      '--addresses': '127.10.1.1-127.10.1.99/8',
      '--pool': 'umbra',
      '--zone': zone,
      '--name-server': `${server.host}:${server.port}`,
      '--key-file': join(dir, 'tsig.key'),
      '--port': String((service.address() as AddressInfo).port),
    };
    const code = await run(['discover', ...Object.entries(flags).flat(), ...more], terminal);
    const said = terminal.said.out + terminal.said.err;
    for (const secret of [lab.sim.tokens[0]!.secret, key.secret]) expect(said).not.toContain(secret);
    return { code, ...terminal.said };
  }

  test('writes an inventory that only lacks the class, from a cluster, a zone and what answers', async () => {
    const file = join(dir, 'found.yaml');
    const { code, err, out } = await discover(open, '--write', file);
    expect({ code, out }).toEqual({ code: 0, out: '' });
    const text = await readFile(file, 'utf8');
    expect(parseInventory(text).problems?.map(({ path }) => path)).toEqual(['hostedVms[0].storageClass']);
    const chosen = parseInventory(text.replace('CHOOSE', 'stateless')).inventory?.hostedVms;
    expect(chosen).toMatchObject([
      {
        id: 'shop',
        names: [`shop.${zone}`],
        primary: { cluster: 'lab', vmid: 101, address: '127.10.0.101' },
        checks: [{ kind: 'http', port: (service.address() as AddressInfo).port, path: '/' }],
      },
    ]);
    expect(text).toContain(`www.${zone} is another name for shop.${zone} (CNAME)`);
    expect(text).toMatch(/# q\/s; a guess to be replaced/);
    expect(err).toMatch(/not read demand: no Umbra runs here/);
    expect(text).not.toContain(lab.sim.tokens[0]!.secret);

    const again = await discover(open, '--write', file);
    expect(again.code).toBe(2);
    expect(again.err).toContain('exists already');
  }, 60_000);

  test('says plainly that the zone may not be read, and takes names instead', async () => {
    const refused = await discover(closed);
    expect(refused.code).toBe(0);
    expect(refused.err).toMatch(/not read the zone vm\.example: .*allow-transfer \{ key umbra-test; \}.*--name/);
    expect(refused.out).toMatch(/^# {3}the zone vm\.example: /m);
    expect(parseInventory(refused.out).inventory?.hostedVms).toEqual([]);

    const named = await discover(closed, '--name', `shop.${zone}`, '--name', `nobody.${zone}`);
    expect(named.err).toContain(`not read nobody.${zone}: the name server has no address of it`);
    expect(named.out).toContain('- id: shop');
  }, 60_000);

  test('names the flags that are missing, and a file that is wrong', async () => {
    const terminal = fakeTerminal();
    expect(await run(['discover', '--cluster', 'lab', '--endpoint', 'https://pve1:8006'], terminal)).toBe(2);
    expect(terminal.said.err).toContain('--token-file, --vmids, --addresses, --zone, --name-server, --key-file');
    const nowhere = fakeTerminal();
    expect(await run(['discover', '--cluster', 'lab'], nowhere)).toBe(2);
    expect(nowhere.said.err).toContain('where is cluster lab?');
    const gone = fakeTerminal();
    expect(await run(['discover', '--cluster', 'lab', '-f', join(dir, 'none.yaml')], gone)).toBe(2);
  });
});
