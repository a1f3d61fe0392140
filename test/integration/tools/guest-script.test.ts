import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { heartbeatSerial } from '../../../src/api/heartbeat-serial.ts';
import { findOnPath } from '../../../tools/temporal-server.mjs';
import { startWorld } from '../../unit/api/harness.ts';
import type { World } from '../../unit/api/harness.ts';

const secret = Buffer.from('a secret of thirty-two bytes or more');
const manual = readFileSync(new URL('../../../docs/guest.md', import.meta.url), 'utf8');
/** What an operator copies out of docs/guest.md. */
const script = /^```sh\n(#!\/bin\/sh\n.*?)^```/ms.exec(manual)![1]!;
const primarysSerial = /^serial=(.+)$/m.exec(manual)![1]!;

const lacking = ['curl', 'openssl'].filter((program) => findOnPath(program) === undefined);
if (lacking.length > 0) {
  const why = `the guest's script needs ${lacking.join(' and ')}`;
  if (process.env['CI'] !== undefined) throw new Error(why);
  process.stderr.write(`skipped: ${why}\n`);
}
const testIfThere = lacking.length > 0 ? test.skip : test;

let world: World;
let folder: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'umbra-guest-'));
  world = await startWorld({ heartbeatSecret: secret });
});
afterEach(async () => {
  await world.api.close();
  rmSync(folder, { recursive: true });
});

testIfThere(
  'the script of docs/guest.md beats with load, by the serial that a clone finds in its SMBIOS',
  async () => {
    const [file, serial] = [join(folder, 'umbra-heartbeat'), join(folder, 'product_serial')];
    writeFileSync(file, script);
    // Kernel counters of a disk, a partition of it (not counted twice), and an optical drive.
    const disks = join(folder, 'diskstats');
    const counters = (operations: number): string =>
      ['8 0 sda', '8 1 sda1', '11 0 sr0']
        .map((name) => `${name} ${operations} 0 0 ${operations * 4} ${operations} 0 0 ${operations * 6} 0 0 0`)
        .join('\n');
    writeFileSync(disks, counters(100));
    writeFileSync(serial, `${heartbeatSerial(secret, 'shop/2')}\n`);
    const env = {
      PATH: process.env['PATH'],
      UMBRA_HEARTBEATS: world.api.url,
      UMBRA_SERIAL: serial,
      UMBRA_DISKSTATS: disks,
    };
    const child = spawn('sh', [file], { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (said += text));
    try {
      for (let beats = 0; world.beats.get('shop/2')?.load?.diskMs === undefined; beats += 1) {
        writeFileSync(disks, counters(200 + beats));
        expect({ said, code: child.exitCode }).toEqual({ said: '', code: null });
        await pause(50);
      }
      const { load } = world.beats.get('shop/2')!;
      expect(load!.cpu).toBeGreaterThanOrEqual(0);
      expect(load!.cpu).toBeLessThanOrEqual(1);
      expect(load!.memory).toBeGreaterThan(0);
      expect(load!.memory).toBeLessThan(1);
      // Reads of 4 ms and writes of 6 ms, as many of each.
      expect(load!.diskMs).toBeCloseTo(5, 3);
    } finally {
      process.kill(-child.pid!, 'SIGKILL');
    }
  },
  30_000,
);

testIfThere('the serial that docs/guest.md computes for a primary is the one the API takes', async () => {
  const file = join(folder, 'heartbeat.secret');
  writeFileSync(file, `${secret.toString()}\n`);
  const commands = `serial=${primarysSerial.replaceAll('/etc/umbra/heartbeat.secret', file)}; printf %s "$serial"`;
  const child = spawn('sh', ['-c', commands], { stdio: ['ignore', 'pipe', 'inherit'] });
  let serial = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (serial += text));
  await new Promise((resolve) => child.once('close', resolve));
  expect(serial).toBe(heartbeatSerial(secret, 'shop/0'));
});
