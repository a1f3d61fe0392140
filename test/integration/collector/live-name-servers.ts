import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Whether a program is installed. Skips with a line where it is not; in CI it must be. */
export function isInstalled(program: string): boolean {
  const found = spawnSync('sh', ['-c', `PATH="$PATH:/usr/sbin:/sbin" command -v ${program}`]).status === 0;
  if (!found) {
    if (process.env['CI'] !== undefined) throw new Error(`${program} is not installed`);
    process.stderr.write(`skipped: ${program} is not installed\n`);
  }
  return found;
}

export type LiveServer = { readonly port: number; stop(): Promise<void> };

const environment = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };

/** A port that is free for datagrams and for connections: name servers take both. */
export async function freeUdpPort(): Promise<number> {
  for (;;) {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const socket = createSocket('udp4');
    const free = await new Promise<boolean>((resolve) => {
      socket.once('error', () => resolve(false));
      socket.bind(port, '127.0.0.1', () => resolve(true));
    });
    await Promise.all([
      new Promise((resolve) => server.close(resolve)),
      ...(free ? [new Promise<void>((resolve) => socket.close(resolve))] : []),
    ]);
    if (free) return port;
  }
}

/** `vm-00000`... below `vm.example`, each with one address. */
export const zoneNames = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `vm-${String(i).padStart(5, '0')}.vm.example`);

async function writeZone(dir: string, names: readonly string[]): Promise<void> {
  const lines = [
    '$TTL 30',
    '@ IN SOA ns1.vm.example. admin.vm.example. 1 3600 600 86400 30',
    '@ IN NS ns1.vm.example.',
    'ns1 IN A 127.0.0.1',
    ...names.map((name, i) => `${name}. IN A 10.0.${i >> 8}.${i & 255}`),
  ];
  await writeFile(join(dir, 'vm.example.zone'), `${lines.join('\n')}\n`);
}

async function launch(dir: string, program: string, args: string[], port: number): Promise<LiveServer> {
  const child: ChildProcess = spawn(program, args, { cwd: dir, env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  const listen = (text: Buffer): void => void (said = (said + text.toString()).slice(-3_000));
  child.stdout!.on('data', listen);
  child.stderr!.on('data', listen);
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const deadline = Date.now() + 20_000;
  while (!(await answers(port))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      child.kill('SIGKILL');
      throw new Error(`${program} does not answer on port ${port}: ${said}`);
    }
  }
  return {
    port,
    async stop() {
      child.kill('SIGTERM');
      const hard = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await ended;
      clearTimeout(hard);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** One query that no test counts: for the zone's SOA. */
async function answers(port: number): Promise<boolean> {
  const socket = createSocket('udp4');
  const query = Buffer.from('abcd01000001000000000000', 'hex');
  const name = Buffer.from('\x02vm\x07example\x00', 'latin1');
  socket.send(Buffer.concat([query, name, Buffer.from([0, 6, 0, 1])]), port, '127.0.0.1');
  const answered = await Promise.race([
    once(socket, 'message').then(() => true),
    once(socket, 'error').then(() => false),
    new Promise<boolean>((resolve) => setTimeout(resolve, 200, false)),
  ]);
  socket.close();
  return answered;
}

export async function startBind(
  names: readonly string[],
  dnstapSocket: string,
  options: { statisticsPort?: number; queue?: number } = {},
): Promise<LiveServer> {
  const dir = await mkdtemp(join(tmpdir(), 'umbra-bind-'));
  await writeZone(dir, names);
  const port = await freeUdpPort();
  const statistics =
    options.statisticsPort === undefined
      ? ''
      : `statistics-channels { inet 127.0.0.1 port ${options.statisticsPort} allow { 127.0.0.1; }; };`;
  await writeFile(
    join(dir, 'named.conf'),
    `options { directory "${dir}"; listen-on port ${port} { 127.0.0.1; }; listen-on-v6 { none; };
  recursion no; allow-transfer { none; }; minimal-responses yes; lock-file none; pid-file "${dir}/named.pid";
  session-keyfile "${dir}/session.key"; dnstap { auth response; client response; };
  dnstap-output unix "${dnstapSocket}"; dnstap-identity "edge-bind-1"; dnstap-version none;
  fstrm-set-input-queue-size ${options.queue ?? 16384}; fstrm-set-reopen-interval 1; };
${statistics}
controls { };
zone "vm.example" { type primary; file "vm.example.zone"; };
`,
  );
  return await launch(dir, 'named', ['-g', '-n', '2', '-c', join(dir, 'named.conf')], port);
}

export async function startKnot(names: readonly string[], dnstapSocket: string | undefined): Promise<LiveServer> {
  const dir = await mkdtemp(join(tmpdir(), 'umbra-knot-'));
  await mkdir(join(dir, 'run'));
  await mkdir(join(dir, 'db'));
  await writeZone(dir, names);
  const port = await freeUdpPort();
  const capture =
    dnstapSocket === undefined
      ? ''
      : `mod-dnstap:
  - id: capture
    sink: "unix:${dnstapSocket}"
    identity: edge-knot-1
    log-queries: off
    log-responses: on
`;
  await writeFile(
    join(dir, 'knot.conf'),
    `server:
    rundir: "${dir}/run"
    listen: 127.0.0.1@${port}
    udp-workers: 2
    tcp-workers: 1
    background-workers: 1
database:
    storage: "${dir}/db"
${capture}template:
  - id: default
    storage: "${dir}"
    file: "%s.zone"
    zonefile-load: whole
${dnstapSocket === undefined ? '' : '    global-module: mod-dnstap/capture\n'}zone:
  - domain: vm.example
`,
  );
  return await launch(dir, 'knotd', ['-c', join(dir, 'knot.conf')], port);
}

export async function startNsd(names: readonly string[], dnstapSocket: string): Promise<LiveServer> {
  const dir = await mkdtemp(join(tmpdir(), 'umbra-nsd-'));
  await writeZone(dir, names);
  const port = await freeUdpPort();
  await writeFile(
    join(dir, 'nsd.conf'),
    `server:
  ip-address: 127.0.0.1@${port}
  username: ""
  chroot: ""
  zonesdir: "${dir}"
  database: ""
  pidfile: "${dir}/nsd.pid"
  xfrdfile: "${dir}/xfrd.state"
  xfrdir: "${dir}"
  zonelistfile: "${dir}/zone.list"
  server-count: 1
  rrl-ratelimit: 0
dnstap:
  dnstap-enable: yes
  dnstap-socket-path: "${dnstapSocket}"
  dnstap-send-identity: yes
  dnstap-identity: "edge-nsd-1"
  dnstap-log-auth-response-messages: yes
remote-control:
  control-enable: no
zone:
  name: vm.example
  zonefile: vm.example.zone
`,
  );
  return await launch(dir, 'nsd', ['-d', '-c', join(dir, 'nsd.conf')], port);
}

/** A resolver in front of another server, sending its client responses over TCP. */
export async function startUnbound(upstreamPort: number, dnstapTcp: string): Promise<LiveServer> {
  const dir = await mkdtemp(join(tmpdir(), 'umbra-unbound-'));
  const port = await freeUdpPort();
  await writeFile(
    join(dir, 'unbound.conf'),
    `server:
  interface: 127.0.0.1
  port: ${port}
  username: ""
  chroot: ""
  directory: "${dir}"
  pidfile: "${dir}/unbound.pid"
  use-syslog: no
  do-not-query-localhost: no
  module-config: "iterator"
  num-threads: 1
stub-zone:
  name: "vm.example."
  stub-addr: 127.0.0.1@${upstreamPort}
dnstap:
  dnstap-enable: yes
  dnstap-bidirectional: yes
  dnstap-ip: "${dnstapTcp}"
  dnstap-tls: no
  dnstap-send-identity: yes
  dnstap-identity: "edge-unbound-1"
  dnstap-log-client-response-messages: yes
remote-control:
  control-enable: no
`,
  );
  return await launch(dir, 'unbound', ['-d', '-c', join(dir, 'unbound.conf')], port);
}

/** A load balancer with a packet cache in front of another server: also the way for PowerDNS. */
export async function startDnsdist(upstreamPort: number, dnstapTcp: string): Promise<LiveServer> {
  const dir = await mkdtemp(join(tmpdir(), 'umbra-dnsdist-'));
  const port = await freeUdpPort();
  await writeFile(
    join(dir, 'dnsdist.conf'),
    `setLocal("127.0.0.1:${port}")
setACL({"127.0.0.0/8"})
newServer({address="127.0.0.1:${upstreamPort}", name="upstream", sockets=4})
setSecurityPollSuffix("")
pc = newPacketCache(20000, {maxTTL=30, minTTL=0})
getPool(""):setCache(pc)
fstl = newFrameStreamTcpLogger("${dnstapTcp}", {inputQueueSize=16384, outputQueueSize=1024, flushTimeout=1, reopenInterval=1})
addResponseAction(AllRule(), DnstapLogResponseAction("edge-dnsdist-1", fstl))
addCacheHitResponseAction(AllRule(), DnstapLogResponseAction("edge-dnsdist-1", fstl))
`,
  );
  return await launch(dir, 'dnsdist', ['--supervised', '--disable-syslog', '-C', join(dir, 'dnsdist.conf')], port);
}

/**
 * Asks each line of `queries` (`name type`) once.
 * @returns how many were answered; the test is void when one was lost
 */
export async function askAll(port: number, queries: readonly string[], perSecond: number): Promise<number> {
  const dir = await mkdtemp(join(tmpdir(), 'umbra-queries-'));
  const file = join(dir, 'queries');
  await writeFile(file, `${queries.join('\n')}\n`);
  const args = ['-s', '127.0.0.1', '-p', String(port), '-d', file, '-n', '1', '-c', '4', '-Q', String(perSecond)];
  const child = spawn('dnsperf', args, { env: environment, stdio: ['ignore', 'pipe', 'ignore'] });
  let said = '';
  child.stdout.on('data', (text: Buffer) => (said += text.toString()));
  await once(child, 'close');
  await rm(dir, { recursive: true });
  const completed = /Queries completed:\s+(\d+)/.exec(said)?.[1];
  if (completed === undefined) throw new Error(`dnsperf: ${said}`);
  return Number(completed);
}
