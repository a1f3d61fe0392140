import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Addresses } from '../../src/api/options.ts';
import { installed } from '../../src/demo/name-server.ts';
import type { NameServerKind } from '../../src/demo/name-server.ts';
import type { UmbraEvent } from '../../src/domain/event.ts';
import { Desk, dig, until } from '../support/umbra-dev.ts';
import type { Dev } from '../support/umbra-dev.ts';

/** What life.test.ts tells at length on BIND, in short on the others: demand, a shadow, a failure, another answer, the end. */
const servers: readonly { readonly kind: NameServerKind; readonly program?: string }[] = [
  { kind: 'knot', program: 'knotd' },
  { kind: 'embedded' },
];
const patienceMs = 90_000;
const name = 'shop.umbra.example';
const primary = '127.10.0.101';

for (const { kind, program } of servers) {
  const missing = program !== undefined && installed(program) === undefined;
  const skipped = missing && process.env['CI'] === undefined;
  if (skipped) process.stderr.write(`skipped: a failover with ${kind}: ${program} is not installed\n`);

  (skipped ? describe.skip : describe)(`a failover on ${kind}, as its operator sees it`, () => {
    const desk = new Desk();
    let dev: Dev;
    let at: Addresses;

    beforeAll(async () => {
      dev = await desk.dev('--name-server', kind);
      at = await desk.json<Addresses>('status', '--wait');
    }, 240_000);
    afterAll(async () => {
      await dev.kill();
      desk.close();
    }, patienceMs);

    test(
      'demand arrives over dnstap and a shadow warms',
      async () => {
        expect(dev.output).toContain(`${kind} answers DNS`);
        await until(
          'demand on shop',
          async () => {
            const { demand } = await desk.json<{ demand: { qps: (number | null)[] } }>(
              'demand',
              'shop',
              '--since',
              '5m',
            );
            return demand.qps.some((qps) => (qps ?? 0) > 1);
          },
          patienceMs,
        );
        await until('shop has a shadow', async () => (await desk.listed('shop')).state === 'protected', patienceMs);
        // On a busy machine it may have been helped already: the primary still answers.
        expect(await dig(at.dns, name)).toContain(primary);
      },
      2 * patienceMs,
    );

    test(
      'the answer is another one within 10 s after the power of its node is cut, and never an empty one',
      async () => {
        await desk.umbra('sim', 'fault', 'node pve1 off');
        const answers = await until(
          'DNS names another address',
          async () => {
            const now = await dig(at.dns, name);
            expect(now).not.toEqual([]);
            return !now.includes(primary) && now;
          },
          10_000,
        );
        expect(answers.every((answer) => answer.startsWith('127.10.1.'))).toBe(true);
        expect(await dig(at.dns, `blue.${name}`)).toEqual(answers);
        const kinds = (await desk.json<UmbraEvent[]>('events', 'shop')).map((event) => event.kind);
        expect(kinds).toEqual(expect.arrayContaining(['adopted', 'shadow-warm', 'failover-decided', 'answer-changed']));
      },
      patienceMs,
    );

    test(
      'Ctrl-C ends everything within 5 s',
      async () => {
        const { ms, left } = await dev.interrupt();
        expect(left).toEqual([]);
        expect(ms).toBeLessThan(5_000);
      },
      patienceMs,
    );
  });
}
