import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { parseInventory } from '../../../src/inventory/parse.ts';

const umbra = fileURLToPath(new URL('../../../bin/umbra', import.meta.url));

/** Takes every connection and says nothing: worse than being gone. */
let mute: Server;
let dir: string;
const sockets: Socket[] = [];

beforeAll(async () => {
  mute = createServer((socket) => void sockets.push(socket.on('error', () => undefined)));
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
  dir = await mkdtemp(join(tmpdir(), 'umbra-doctor-'));
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => mute.close(resolve));
  await rm(dir, { recursive: true });
});

test('says what is away when everything is: the API gone, all others taking connections and saying nothing', async () => {
  const at = `127.0.0.1:${(mute.address() as AddressInfo).port}`;
  await writeFile(join(dir, 'pve.token'), 'umbra@pve!umbra=00000000-0000-0000-0000-000000000000\n', { mode: 0o600 });
  await writeFile(join(dir, 'tsig.key'), `hmac-sha256:umbra:${Buffer.alloc(32, 7).toString('base64')}\n`, {
    mode: 0o600,
  });
  const { inventory } = parseInventory(`
clusters:
  - { name: lab, endpoints: 'http://${at}', tokenFile: ${dir}/pve.token, vmids: 9000-9099, addresses: 10.0.0.100-149/24 }
dns: { zone: example.com, server: '${at}', tsigKeyFile: ${dir}/tsig.key }
hostedVms:
  - { id: shop, names: shop.example.com, primary: { vmid: 101, address: 127.0.0.1 }, capacity: 9, storageClass: stateless,
      checks: [{ port: ${at.split(':')[1] ?? ''}, interval: 1s }] }
`);
  // What the API or a worker of this machine has kept.
  await writeFile(join(dir, 'inventory-snapshot.json'), JSON.stringify({ revision: 1, inventory }));
  const config = `data: ${dir}\npostgres: { url: 'postgres://umbra@${at}/umbra' }\ntemporal: { address: '${at}' }\n`;
  await writeFile(join(dir, 'umbra.yaml'), config);

  const { code, out, lookedMs } = await doctor(['doctor', '--json', '--config', join(dir, 'umbra.yaml')]);
  expect(code).toBe(1);
  const findings = JSON.parse(out) as { check: string; group: string; verdict: string; text: string }[];
  const failed = findings.filter(({ verdict }) => verdict === 'fail').map(({ check, group }) => `${group}: ${check}`);
  for (const each of [
    'Umbra: temporal',
    'Umbra: store',
    'zone example.com: dns',
    'cluster lab: proxmox',
    'shop: check',
  ]) {
    expect(failed).toContain(each);
  }
  // All side by side: ten looks of five seconds in a row would be far above. The rest is the program's own start.
  expect(lookedMs).toBeLessThan(20_000);
}, 120_000);

function doctor(args: readonly string[]): Promise<{ code: number | null; out: string; lookedMs: number }> {
  return new Promise((resolve, reject) => {
    const env = { PATH: process.env['PATH'], HOME: dir, UMBRA_API: 'http://127.0.0.1:1', USER: 'ada' };
    const child = spawn(umbra, args, { cwd: dir, env, stdio: ['ignore', 'pipe', 'inherit'] });
    let out = '';
    // Loading takes as long as the machine is busy: the looks begin with the first connection.
    let begun = 0;
    mute.once('connection', () => (begun = performance.now()));
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out, lookedMs: performance.now() - begun }));
  });
}
