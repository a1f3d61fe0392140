import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Cluster } from '../cluster/cluster.ts';
import { addressOf } from '../cluster/drive.ts';
import type { Machine } from './machine.ts';
import { fateOf, isUnplugged } from './reach.ts';

/** How often a service that waits to write looks whether it may. */
const thawLookMs = 50;

type Service = {
  readonly server: Server;
  readonly sockets: Set<Socket>;
  readonly address: string;
  ready: Promise<void>;
};

/** The HTTP service inside every guest: one listener for each running guest, on its cloud-init address. */
export class GuestServices {
  readonly #cluster: Cluster;
  readonly #port: number;
  readonly #services = new Map<number, Service>();
  #closed = false;

  constructor(cluster: Cluster, port: number) {
    this.#cluster = cluster;
    this.#port = port;
  }

  /** Opens or closes the listener of a guest, so that it fits how the guest is. */
  follow(vmid: number): void {
    const { machines, clock } = this.#cluster;
    const machine = machines.get(vmid);
    const address = machine && addressOf(machine.options);
    const existing = this.#services.get(vmid);
    const serves =
      machine !== undefined && machines.isBooted(machine) && address?.startsWith('127.') === true && !this.#closed;
    if (existing && (!serves || existing.address !== address)) {
      this.#services.delete(vmid);
      existing.server.close();
      for (const socket of existing.sockets) socket.destroy();
    }
    if (serves && this.#services.get(vmid) === undefined) this.#open(machine, address);
    if (machine && !machines.isBooted(machine)) {
      void clock.sleep(machine.bootedAt - clock.now()).then(() => this.follow(vmid));
    }
  }

  #open(machine: Machine, address: string): void {
    const { vmid } = machine;
    /** Connections whose packets a firewall loses from the first on. */
    const lost = new WeakSet<Socket>();
    const server = createServer((request, response) => {
      if (lost.has(request.socket)) {
        request.resume();
        return;
      }
      this.#answer(vmid, request, response).catch(() => response.socket?.destroy());
    });
    const sockets = new Set<Socket>();
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      const running = this.#cluster.machines.get(vmid);
      const packet = { way: 'in', port: this.#port, peer: socket.remoteAddress ?? '' } as const;
      const fate = running === undefined ? 'accept' : fateOf(this.#cluster, running, packet);
      if (fate === 'drop') lost.add(socket);
      if (fate === 'reject') socket.destroy();
      socket.on('error', () => socket.destroy());
      socket.on('close', () => sockets.delete(socket));
    });
    const ready = new Promise<void>((resolve) => {
      server.once('error', (error) => {
        this.#cluster.log(`guest ${vmid} cannot listen on ${address}:${this.#port}: ${error.message}`);
        resolve();
      });
      server.listen(this.#port, address, resolve);
    });
    this.#services.set(vmid, { server, sockets, address, ready });
  }

  async #answer(vmid: number, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { machines, clock, isolated } = this.#cluster;
    const machine = machines.get(vmid);
    request.resume();
    if (!machine) {
      response.socket?.destroy();
      return;
    }
    // Paused, hung or cut off: the connection stands and nobody answers.
    if (
      machine.qmp !== 'running' ||
      machine.trouble === 'hang' ||
      machine.trouble === 'drop' ||
      isUnplugged(machine) ||
      isolated.has(machine.node)
    )
      return;
    // Whoever writes waits until the file systems move again, and a service that logs its visitors writes.
    while (machine.frozen && machines.get(vmid) === machine) await clock.sleep(thawLookMs);
    await clock.sleep(machines.latencyMsOf(machine));
    const { qps, capacityQps } = machines.loadOf(vmid);
    const report = {
      vmid,
      hostname: machine.options['name'] ?? `vm${vmid}`,
      node: machine.node,
      load: { qps, capacityQps, cpu: machines.cpuOf(machine) },
    };
    if (machine.trouble === 'lose-disk') {
      response.writeHead(503, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify({ ...report, error: 'read-only file system' }));
    } else if (request.url?.startsWith('/healthz')) {
      response.writeHead(200, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify(report));
    } else {
      response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' });
      response.end(
        `<!doctype html><title>${report.hostname}</title><h1>${report.hostname}</h1><p>VM ${vmid} on ${report.node}\n`,
      );
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const closing = [...this.#services.values()].map(async (service) => {
      await service.ready;
      const closed = new Promise((resolve) => service.server.close(resolve));
      for (const socket of service.sockets) socket.destroy();
      await closed;
    });
    this.#services.clear();
    await Promise.all(closing);
  }
}
