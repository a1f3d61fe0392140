import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { exampleView } from '../../support/example-view.ts';
import { startWorld } from '../../unit/api/harness.ts';
import type { World } from '../../unit/api/harness.ts';

const umbra = fileURLToPath(new URL('../../../bin/umbra', import.meta.url));
const example = fileURLToPath(new URL('../../../examples/inventory.yaml', import.meta.url));
const limitMs = 60_000;

let elsewhere: string;
let world: World;
beforeAll(async () => {
  elsewhere = mkdtempSync(join(tmpdir(), 'umbra-bin-'));
  world = await startWorld();
  world.views.set('shop', exampleView('shop'));
});
afterAll(async () => {
  await world.api.close();
  rmSync(elsewhere, { recursive: true });
});

type Ended = { code: number | null; out: string; err: string };

/** Runs the program as a user would, in a folder that has nothing to do with it. */
function run(args: readonly string[], program = umbra): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const env = { PATH: process.env['PATH'], HOME: elsewhere, UMBRA_API: world.api.url, USER: 'ada' };
    const child = spawn(program, args, { cwd: elsewhere, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const said = { out: '', err: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said.out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said.err += text));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, ...said }));
  });
}

describe('bin/umbra', () => {
  test(
    'runs from any folder, also by a link, and prints plain lines into a pipe',
    async () => {
      const link = join(elsewhere, 'umbra');
      symlinkSync(umbra, link);
      const [direct, linked] = await Promise.all([run(['list']), run(['list', '--json'], link)]);
      expect(direct).toEqual({
        code: 0,
        out: 'shop\tprotected\tprimary 101 10.0.0.11\t-\t- / 400 q/s\t1x 9001 hot\t-\n',
        err: '',
      });
      expect((JSON.parse(linked.out) as { id: string }[]).map(({ id }) => id)).toEqual(['shop']);
    },
    limitMs,
  );

  test(
    'ends with the documented codes',
    async () => {
      const [usage, plan, nobody] = await Promise.all([
        run(['nonsense']),
        run(['apply', '-f', example]),
        run(['list', '--api', 'http://127.0.0.1:9']),
      ]);
      expect([usage.code, plan.code, nobody.code]).toEqual([2, 0, 4]);
      expect(plan.out).toContain('+ hosted VM shop');
      expect(nobody.err).toContain('http://127.0.0.1:9 does not answer');
    },
    limitMs,
  );

  test(
    'a process that cannot start says why and ends',
    async () => {
      const ended = await run(['api', '--config', join(elsewhere, 'none.yaml')]);
      expect(ended).toMatchObject({ code: 2, out: '' });
      expect(ended.err).toMatch(/none\.yaml cannot be read: .*ENOENT/);
    },
    limitMs,
  );

  test(
    'sim runs a cluster, breaks it by a command, and ends on SIGTERM',
    async () => {
      const child = spawn(umbra, ['sim', '--listen', '127.0.0.1:0', '--http'], {
        cwd: elsewhere,
        env: { PATH: process.env['PATH'], HOME: elsewhere },
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      let said = '';
      const control = await new Promise<string>((resolve, reject) => {
        child.stdout.setEncoding('utf8').on('data', (text: string) => {
          said += text;
          const found = /--control (\S+) /.exec(said)?.[1];
          if (found !== undefined) resolve(found);
        });
        child.on('close', () => reject(new Error(`ended before it was up: ${said}`)));
      });
      const url = /answers on (\S+)/.exec(said)?.[1] ?? '';
      const token = /^token (\S+)$/m.exec(said)?.[1] ?? '';
      const version = await fetch(`${url}/api2/json/version`, { headers: { authorization: `PVEAPIToken=${token}` } });
      expect(version.status).toBe(200);
      const off = await run(['sim', 'fault', '--control', control, 'node', 'pve2', 'off']);
      const wrong = await run(['sim', 'fault', '--control', control, 'node pve9 off']);
      expect([off.code, wrong.code]).toEqual([0, 2]);
      expect(wrong.err).toContain('there is no node pve9');
      const closed = new Promise<number | null>((resolve) => child.on('close', resolve));
      child.kill('SIGTERM');
      expect(await closed).toBe(0);
    },
    limitMs,
  );
});
