import { once } from 'node:events';
import { chmod, readFile, stat, unlink } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { TlsOptions } from 'node:tls';

import { startLoop } from '../background/loop.ts';
import type { Loop } from '../background/loop.ts';
import type { CollectorLog } from './log.ts';

/** Certificates are looked at this often; a renewed one serves the next connection. */
const reloadMs = 2_000;

export type TlsListen = {
  readonly host: string;
  readonly port: number;
  readonly certFile: string;
  readonly keyFile: string;
  /** Clients must show a certificate of this authority. Left out: anyone who can connect may send. */
  readonly clientCaFile?: string;
};

export type Listen = {
  readonly tcp?: { readonly host: string; readonly port: number };
  /** A path, or a path and the mode of its socket file (0660 unless told: the server's group must match ours). */
  readonly unix?: string | { readonly path: string; readonly mode: number };
  readonly tls?: TlsListen;
};

export type Addresses = {
  readonly tcp?: { readonly host: string; readonly port: number };
  readonly unix?: string;
  readonly tls?: { readonly host: string; readonly port: number };
};

export type Listeners = {
  readonly addresses: Addresses;
  /** Looks at the certificates now. @returns whether new ones are in use */
  reloadCertificates(): Promise<boolean>;
  close(): Promise<void>;
};

/** @throws Error that names the listener and why it cannot listen */
export async function listen(
  where: Listen,
  onSocket: (socket: Socket, peer: string) => void,
  log: CollectorLog,
): Promise<Listeners> {
  const servers: Server[] = [];
  const addresses: { -readonly [key in keyof Addresses]: Addresses[key] } = {};
  const closeAll = async (): Promise<void> => {
    for (const server of servers) await new Promise((resolve) => server.close(resolve));
  };
  const reload: { certificates: () => Promise<boolean>; loop?: Loop } = {
    certificates: () => Promise.resolve(false),
  };
  try {
    if (where.tcp !== undefined) {
      const server = createServer((socket) => {
        socket.setKeepAlive(true, 60_000);
        onSocket(socket, `tcp ${socket.remoteAddress ?? ''}`);
      });
      servers.push(server);
      addresses.tcp = await bound(server, where.tcp, 'dnstap tcp');
    }
    if (where.unix !== undefined) {
      const { path, mode } = typeof where.unix === 'string' ? { path: where.unix, mode: 0o660 } : where.unix;
      await removeStale(path);
      const server = createServer((socket) => onSocket(socket, 'unix'));
      servers.push(server);
      await bound(server, { path }, 'dnstap unix');
      await chmod(path, mode);
      addresses.unix = path;
    }
    if (where.tls !== undefined) {
      const tls = where.tls;
      const held: { stamp: string; options: TlsOptions } = { stamp: await stampOf(tls), options: await secretsOf(tls) };
      const server = createTlsServer({ ...held.options, minVersion: 'TLSv1.2' }, (socket) => {
        const subject = socket.getPeerCertificate().subject as { CN?: string } | undefined;
        onSocket(socket, `tls ${subject?.CN ?? socket.remoteAddress ?? ''}`);
      });
      server.on('tlsClientError', (error) => log('warn', `dnstap tls: a client was refused: ${error.message}`));
      servers.push(server);
      addresses.tls = await bound(server, tls, 'dnstap tls');
      reload.certificates = async () => {
        try {
          const stamp = await stampOf(tls);
          if (stamp === held.stamp) return false;
          server.setSecureContext({ ...(await secretsOf(tls)), minVersion: 'TLSv1.2' });
          held.stamp = stamp;
          log('info', 'dnstap tls: new certificates are in use');
          return true;
        } catch (error) {
          log('error', `dnstap tls: the old certificates stay in use: ${(error as Error).message}`);
          return false;
        }
      };
      reload.loop = startLoop({
        everyMs: reloadMs,
        firstAfterMs: reloadMs,
        holdsProcess: false,
        round: reload.certificates,
        failed: (error) => log('error', `dnstap tls: ${String(error)}`),
      });
    }
  } catch (error) {
    await closeAll();
    throw error;
  }
  return {
    addresses,
    reloadCertificates: () => reload.certificates(),
    async close() {
      await reload.loop?.stop();
      await closeAll();
    },
  };
}

async function bound(
  server: Server,
  where: { readonly host: string; readonly port: number } | { readonly path: string },
  what: string,
): Promise<{ host: string; port: number }> {
  const place = 'path' in where ? where.path : `${where.host}:${where.port}`;
  server.listen('path' in where ? { path: where.path } : { host: where.host, port: where.port, backlog: 128 });
  try {
    await once(server, 'listening');
  } catch (error) {
    throw new Error(`${what}: cannot listen on ${place}: ${(error as Error).message}`, { cause: error });
  }
  const address = server.address();
  return typeof address === 'string' || address === null
    ? { host: place, port: 0 }
    : { host: address.address, port: address.port };
}

/** A socket file that a killed collector left behind; one that still answers belongs to somebody. */
async function removeStale(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) throw new Error(`dnstap unix: ${path} exists and is no socket`);
  const alive = await new Promise<boolean>((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
  if (alive) throw new Error(`dnstap unix: another process listens on ${path}`);
  await unlink(path);
}

async function secretsOf(tls: TlsListen): Promise<TlsOptions> {
  const [cert, key] = await Promise.all([readFile(tls.certFile), readFile(tls.keyFile)]);
  if (tls.clientCaFile === undefined) return { cert, key };
  return { cert, key, ca: await readFile(tls.clientCaFile), requestCert: true, rejectUnauthorized: true };
}

async function stampOf(tls: TlsListen): Promise<string> {
  const files = [tls.certFile, tls.keyFile, ...(tls.clientCaFile === undefined ? [] : [tls.clientCaFile])];
  const stats = await Promise.all(files.map((file) => stat(file)));
  return stats.map(({ mtimeMs, size, ino }) => `${mtimeMs} ${size} ${ino}`).join(';');
}
