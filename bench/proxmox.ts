import type { Proxmox } from 'proxmox-api';
import { ProxmoxEngine as OtherEngine, proxmoxApi } from 'proxmox-api';
import { Agent, Pool } from 'undici';
import { Calls } from '../src/providers/proxmox/calls.ts';
import { ProxmoxEngine } from '../src/providers/proxmox/engine.ts';
import { grantsFor } from '../src/providers/proxmox/privileges.ts';
import { demoWorld, startSimulator } from '../src/sim/simulator.ts';

/*
 * What a call costs over the bare exchange, on one simulated cluster over TLS on loopback: raw undici, proxmox-api's
 * own engine, and ours with its checks, gates and validation. The three take turns, so that a busy machine is fair.
 */

const vmid = 101;
const rounds = 12;
const callsPerRound = 100;
const warmUpCalls = 150;

type Contestant = { readonly name: string; readonly call: () => Promise<unknown> };
type Row = { readonly name: string; readonly p50Ms: number; readonly p95Ms: number; readonly cpuMs: number };

/** `npm run bench -- proxmox`: figures per call, and what ours adds to raw undici. */
export async function run(): Promise<Record<string, unknown>> {
  const { world, token } = demoWorld({ grants: grantsFor });
  const sim = await startSimulator({ world, host: '127.0.0.1', port: 0, tls: true, guests: false });
  const secret = `${token.id}=${token.secret}`;
  const path = `/api2/json/nodes/pve1/qemu/${vmid}/status/current`;
  const ca = sim.certificate!;
  const { hostname, port } = new URL(sim.url);

  const pool = new Pool(sim.url, { connections: 16, connect: { ca } });
  const agent = new Agent({ connect: { ca } });
  const engine = new ProxmoxEngine({
    endpoints: [sim.url],
    trust: { fingerprint: sim.fingerprint! },
    token: () => Promise.resolve(secret),
    log: { debug: () => undefined, info: () => undefined, warn: () => undefined },
  });
  const calls = new Calls(engine);
  const other: Proxmox.Api = proxmoxApi(
    new OtherEngine({
      host: hostname,
      port: Number(port),
      tokenID: token.id,
      tokenSecret: token.secret,
      fetch: ((url: string, init: object) =>
        import('undici').then(({ fetch }) => fetch(url, { ...init, dispatcher: agent }))) as never,
    }),
  );

  const contestants: Contestant[] = [
    {
      name: 'raw undici',
      call: async () => {
        const { body } = await pool.request({
          method: 'GET',
          path,
          headers: { authorization: `PVEAPIToken=${secret}` },
        });
        return await body.json();
      },
    },
    { name: "proxmox-api's engine", call: () => other.nodes.$('pve1').qemu.$(vmid).status.current.$get() },
    { name: 'this provider', call: () => calls.status('pve1', vmid) },
  ];
  try {
    const rows = await measure(contestants);
    const [raw, theirs, ours] = rows as [Row, Row, Row];
    print(rows);
    const figures = {
      rawP50Ms: raw.p50Ms,
      proxmoxApiP50Ms: theirs.p50Ms,
      oursP50Ms: ours.p50Ms,
      overRawP50Ms: round(ours.p50Ms - raw.p50Ms),
      overProxmoxApiP50Ms: round(ours.p50Ms - theirs.p50Ms),
      cpuOverRawMs: round(ours.cpuMs - raw.cpuMs),
    };
    process.stdout.write(`${JSON.stringify({ bench: 'proxmox', figures })}\n`);
    return figures;
  } finally {
    await engine.close();
    await pool.destroy();
    await agent.destroy();
    await sim.close();
  }
}

async function measure(contestants: readonly Contestant[]): Promise<Row[]> {
  const times = contestants.map((): number[] => []);
  const cpu = contestants.map(() => 0);
  for (const { call } of contestants) for (let n = 0; n < warmUpCalls; n += 1) await call();
  for (let n = 0; n < rounds; n += 1) {
    for (const [at, { call }] of contestants.entries()) {
      const before = process.cpuUsage();
      for (let m = 0; m < callsPerRound; m += 1) {
        const startedAt = performance.now();
        await call();
        times[at]!.push(performance.now() - startedAt);
      }
      const used = process.cpuUsage(before);
      cpu[at]! += (used.user + used.system) / 1_000;
    }
  }
  return contestants.map(({ name }, at) => {
    const sorted = times[at]!.sort((a, b) => a - b);
    const quantile = (q: number): number => round(sorted[Math.floor(sorted.length * q)]!);
    return { name, p50Ms: quantile(0.5), p95Ms: quantile(0.95), cpuMs: round(cpu[at]! / sorted.length) };
  });
}

function print(rows: readonly Row[]): void {
  process.stdout.write(
    `${rounds * callsPerRound} calls each, GET status/current, one after another, TLS on loopback\n`,
  );
  process.stdout.write('CPU includes the simulator, which runs in the same process\n\n');
  process.stdout.write('                         p50 ms   p95 ms   CPU ms\n');
  for (const { name, p50Ms, p95Ms, cpuMs } of rows) {
    const cells = [p50Ms, p95Ms, cpuMs].map((value) => value.toFixed(3).padStart(9)).join('');
    process.stdout.write(`${name.padEnd(22)}${cells}\n`);
  }
}

function round(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
