import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { connect, isIP } from 'node:net';

export type ServerAddress = { readonly host: string; readonly port: number };

/** `refused` is certain, after `timeout` and `closed` the message may have arrived. */
export type TransportFault = 'timeout' | 'refused' | 'closed' | 'unresolved' | 'aborted';

export class TransportError extends Error {
  readonly fault: TransportFault;
  constructor(fault: TransportFault, server: ServerAddress, why: string, options?: ErrorOptions) {
    super(`${presentServer(server)}: ${why}`, options);
    this.name = 'TransportError';
    this.fault = fault;
  }
}

export function presentServer(server: ServerAddress): string {
  return server.host.includes(':') ? `[${server.host}]:${server.port}` : `${server.host}:${server.port}`;
}

/** PowerDNS silently drops UDP updates above some 1,400 bytes; larger ones may be fragmented anyway. */
const maxUdpBytes = 1200;

/** A lost datagram is sent again after these times; the receiver must bear it (updates do, by their prerequisite). */
const resendAfterMs = [250, 750, 1_750, 3_750];

export type ExchangeOptions = { readonly timeoutMs: number; readonly tcp?: boolean; readonly signal?: AbortSignal };

/**
 * Looks at bytes that came back. Undefined means: not the answer we wait for (a late or a forged one), keep waiting.
 * A thrown error ends the exchange with it.
 */
export type Accept<T> = (reply: Buffer) => T | undefined;

/** Unpredictable, so that an answer cannot be guessed from outside. */
export function messageId(): number {
  return randomInt(0x10000);
}

/** One request over one fresh socket, settled once: by an accepted answer, an error, the deadline or the caller. */
async function settle<T>(
  server: ServerAddress,
  options: ExchangeOptions,
  open: (done: { resolve: (value: T) => void; reject: (error: unknown) => void }) => () => void,
): Promise<T> {
  const { promise, resolve, reject } = deferred<T>();
  let close: () => void = () => undefined;
  const aborted = (): void => reject(new TransportError('aborted', server, 'given up by the caller'));
  const timer = setTimeout(
    () => reject(new TransportError('timeout', server, `no answer within ${options.timeoutMs} ms`)),
    options.timeoutMs,
  );
  options.signal?.addEventListener('abort', aborted);
  try {
    if (options.signal?.aborted === true) aborted();
    else close = open({ resolve, reject });
    return await promise;
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', aborted);
    close();
  }
}

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: unknown) => void } {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

function fromSocketError(server: ServerAddress, error: NodeJS.ErrnoException, overTcp: boolean): TransportError {
  const fault = error.code === 'ECONNREFUSED' ? 'refused' : 'closed';
  const how = overTcp ? 'TCP' : 'UDP';
  const text = fault === 'refused' ? `nothing listens there (${how})` : `${how}: ${error.message}`;
  return new TransportError(fault, server, text, { cause: error });
}

/** A connected UDP socket: the kernel drops datagrams from anybody else, and a closed port is an error at once. */
function overUdp<T>(
  server: ServerAddress,
  ip: string,
  request: Buffer,
  accept: Accept<T>,
  options: ExchangeOptions,
): Promise<T> {
  return settle(server, options, ({ resolve, reject }) => {
    const socket = createSocket(isIP(ip) === 6 ? 'udp6' : 'udp4');
    const send = (): void => socket.send(request);
    const timers: NodeJS.Timeout[] = [];
    socket.on('error', (error) => reject(fromSocketError(server, error, false)));
    socket.on('message', (reply) => answer(reply, accept, resolve, reject));
    socket.connect(server.port, ip, () => {
      send();
      timers.push(...resendAfterMs.filter((ms) => ms < options.timeoutMs).map((ms) => setTimeout(send, ms)));
    });
    return () => {
      timers.forEach(clearTimeout);
      socket.close();
    };
  });
}

/** One connection for one exchange; messages carry their length in two bytes (RFC 1035 4.2.2). */
function overTcp<T>(
  server: ServerAddress,
  ip: string,
  request: Buffer,
  accept: Accept<T>,
  options: ExchangeOptions,
): Promise<T> {
  return settle(server, options, ({ resolve, reject }) => {
    const socket = connect({ host: ip, port: server.port, noDelay: true });
    let received = Buffer.alloc(0);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(request.length);
    socket.on('connect', () => socket.write(Buffer.concat([length, request])));
    socket.on('error', (error) => reject(fromSocketError(server, error, true)));
    socket.on('end', () => reject(new TransportError('closed', server, 'TCP: closed without an answer')));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0);
        answer(received.subarray(2, end), accept, resolve, reject);
        received = received.subarray(end);
      }
    });
    return () => socket.destroy();
  });
}

function answer<T>(
  reply: Buffer,
  accept: Accept<T>,
  resolve: (value: T) => void,
  reject: (error: unknown) => void,
): void {
  try {
    const accepted = accept(reply);
    if (accepted !== undefined) resolve(accepted);
  } catch (error) {
    reject(error);
  }
}

/**
 * Sends a message and waits for the answer that `accept` takes: over UDP, over TCP when the message is large or asked for.
 * The caller repeats with `tcp` when the answer was truncated.
 * @throws TransportError
 */
export async function exchange<T>(
  server: ServerAddress,
  request: Buffer,
  accept: Accept<T>,
  options: ExchangeOptions,
): Promise<T> {
  const ip = isIP(server.host) === 0 ? await resolve(server) : server.host;
  const over = options.tcp === true || request.length > maxUdpBytes ? overTcp : overUdp;
  return over(server, ip, request, accept, options);
}

async function resolve(server: ServerAddress): Promise<string> {
  try {
    return (await lookup(server.host)).address;
  } catch (error) {
    throw new TransportError('unresolved', server, 'its name does not resolve here', { cause: error });
  }
}
