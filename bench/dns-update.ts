import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { installed, startNameServer } from '../src/demo/name-server.ts';
import { ask, update } from '../src/providers/dns/client.ts';
import { recordType } from '../src/providers/dns/record.ts';
import { rfc2136NameServer } from '../src/providers/dns/rfc2136.ts';
import { claimIs, replaceAnswers } from '../src/providers/dns/update-records.ts';
import type { NameServerKind, RunningNameServer } from '../src/demo/name-server.ts';
import type { TsigKey } from '../src/providers/dns/tsig.ts';

const zone = 'bench.example';
const key: TsigKey = { name: 'bench', algorithm: 'hmac-sha256', secret: Buffer.alloc(32, 5).toString('base64') };
const atOnce = 20;

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? NaN;
}

async function timed(times: number, work: (i: number) => Promise<unknown>): Promise<number[]> {
  const took: number[] = [];
  for (let i = 0; i < times; i += 1) {
    const startedAt = performance.now();
    await work(i);
    took.push(performance.now() - startedAt);
  }
  return took;
}

const installation = '3f9c2a71b0de';

const records = (name: string, i: number) => ({
  zone,
  names: [`${name}.${zone}`],
  ttlSeconds: 5,
  a: [`10.0.${i % 250}.1`],
  aaaa: [],
});

/** The same compare-and-set by BIND's `nsupdate`, started for each change as a script would. */
async function byNsupdate(dir: string, server: RunningNameServer, i: number): Promise<void> {
  const name = `nsupdate.${zone}`;
  const script = join(dir, 'script');
  const claim = (generation: number) =>
    `_umbra.${name}. TXT "v=umbra1 owner=bench inst=${installation} generation=${generation}"`;
  const lines = [
    `server ${server.host} ${server.port}`,
    `zone ${zone}`,
    `key ${key.algorithm}:${key.name} ${key.secret}`,
    i === 0 ? `prereq nxrrset _umbra.${name}. TXT` : `prereq yxrrset ${claim(i)}`,
    `update delete ${name}. A`,
    `update add ${name}. 5 A 10.0.${i % 250}.1`,
    `update delete _umbra.${name}. TXT`,
    `update add _umbra.${name}. 5 TXT "v=umbra1 owner=bench inst=${installation} generation=${i + 1}"`,
    'send',
    '',
  ];
  await writeFile(script, lines.join('\n'));
  await promisify(execFile)('nsupdate', [script]);
}

async function measure(kind: NameServerKind, updates: number): Promise<Record<string, number>> {
  const dir = await mkdtemp(join(tmpdir(), 'umbra-bench-'));
  const server = await startNameServer({ dir, port: 0, zone, records: [], key, prefer: kind, only: true });
  try {
    const dns = rfc2136NameServer({ installation, servers: [server], key });
    const ack = await timed(updates, async (i) => {
      const claim = { owner: 'bench', installation, generation: i + 1 };
      const name = `ack.${zone}`;
      const reply = await update(
        server,
        {
          zone,
          prerequisites: [claimIs(name, i === 0 ? 'nothing' : { owner: 'bench', installation, generation: i })],
          updates: replaceAnswers([name], records('ack', i), claim),
        },
        key,
        { timeoutMs: 2_000, nowSeconds: Math.floor(Date.now() / 1_000) },
      );
      if (reply.rcode !== 'NOERROR') throw new Error(`update ${i}: ${reply.rcode}`);
    });
    const whole = await timed(updates, (i) =>
      dns.ensureAnswers({ owner: 'bench', from: i === 0 ? undefined : i, to: i + 1, records: records('whole', i) }),
    );
    const together: number[] = [];
    for (let round = 0; round < 10; round += 1) {
      await Promise.all(
        Array.from({ length: atOnce }, async (_, vm) => {
          const startedAt = performance.now();
          const from = round === 0 ? undefined : round;
          await dns.ensureAnswers({ owner: 'bench', from, to: round + 1, records: records(`vm${vm}`, round) });
          together.push(performance.now() - startedAt);
        }),
      );
    }
    const reply = await ask(server, `vm0.${zone}`, recordType.A, { timeoutMs: 2_000 });
    if (reply.answers.length !== 1) throw new Error('the last update is not visible');
    const spawned = installed('nsupdate') === undefined ? [] : await timed(20, (i) => byNsupdate(dir, server, i));
    return {
      ackP50: quantile(ack, 0.5),
      ackP95: quantile(ack, 0.95),
      wholeP50: quantile(whole, 0.5),
      wholeP95: quantile(whole, 0.95),
      atOnceP50: quantile(together, 0.5),
      atOnceP95: quantile(together, 0.95),
      nsupdateP50: quantile(spawned, 0.5),
    };
  } finally {
    await server.close();
    await rm(dir, { recursive: true, force: true });
  }
}

/**
 * Milliseconds for one fenced change of a name: our update and its acknowledgement, the whole of `ensureAnswers` (HTTPS
 * records read before, all servers read back after), twenty of these at once, and `nsupdate` started per change.
 */
export async function run(args: string[]): Promise<Record<string, unknown>> {
  const updates = Math.min(Number(args[0] ?? 200), 1_000);
  const figures: Record<string, Record<string, number | null>> = {};
  for (const kind of ['bind', 'knot', 'embedded'] as const) {
    const program = kind === 'bind' ? 'named' : kind === 'knot' ? 'knotd' : undefined;
    if (program !== undefined && installed(program) === undefined) {
      process.stdout.write(`${kind}: left out, ${program} is not installed\n`);
      continue;
    }
    const found = await measure(kind, updates);
    figures[kind] = Object.fromEntries(
      Object.entries(found).map(([name, ms]) => [name, Number.isNaN(ms) ? null : Number(ms.toFixed(2))]),
    );
    const ratio = (found['nsupdateP50'] ?? NaN) / (found['ackP50'] ?? NaN);
    figures[kind]['nsupdateRatio'] = Number.isNaN(ratio) ? null : Number(ratio.toFixed(1));
  }
  const columns = Object.keys(Object.values(figures)[0] ?? {});
  const row = (cells: readonly string[]) => `${cells.map((cell) => cell.padStart(14)).join('')}\n`;
  process.stdout.write(row(['ms', ...columns]));
  for (const [kind, each] of Object.entries(figures)) {
    process.stdout.write(row([kind, ...columns.map((column) => String(each[column] ?? '-'))]));
  }
  process.stdout.write(`${JSON.stringify({ bench: 'dns-update', figures })}\n`);
  return figures;
}
