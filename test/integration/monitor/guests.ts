import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';

export type Guest = {
  readonly address: string;
  readonly port: number;
  /** Closes its port: new connections are refused. */
  die(): Promise<void>;
  /** Accepts and never answers again. */
  hang(): void;
  answerAfter(ms: number): void;
  answerWith(status: number): void;
  close(): Promise<void>;
};

/** A web service on a loopback address of its own. */
export async function startGuest(address: string): Promise<Guest> {
  const state = { hanging: false, afterMs: 0, status: 200 };
  const sockets = new Set<Socket>();
  const server: Server = createServer((_, response) => {
    if (state.hanging) return;
    setTimeout(() => response.writeHead(state.status).end('hello\n'), state.afterMs);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, address, resolve);
  });
  const listening = server.address();
  const port = typeof listening === 'object' && listening !== null ? listening.port : 0;
  const close = async (): Promise<void> => {
    sockets.forEach((socket) => socket.destroy());
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  };
  return {
    address,
    port,
    die: close,
    hang: () => void (state.hanging = true),
    answerAfter: (ms) => void (state.afterMs = ms),
    answerWith: (status) => void (state.status = status),
    close,
  };
}
