import { gzipSync } from 'node:zlib';
import type { ServerResponse } from 'node:http';

const jsonType = 'application/json;charset=UTF-8';

/** An answer before it is bytes. Without a content type it has no body to speak of. */
export type Reply = {
  readonly status: number;
  readonly reason: string;
  readonly contentType: string | undefined;
  readonly body: string;
};

export const bare = (status: number, reason: string, body = ''): Reply => ({
  status,
  reason,
  contentType: undefined,
  body,
});
export const json = (status: number, reason: string, value: unknown): Reply => ({
  status,
  reason,
  contentType: jsonType,
  body: JSON.stringify(value),
});

/** Replies longer than this are compressed for those who can read it. */
const compressAboveBytes = 1024;

/** What must not be in a reason phrase: line breaks, and what is not Latin-1. */
const unspeakable = /[^\t\x20-\x7e\x80-\xff]/g;

/** Sends a reply. `cutAfter` bytes of the body are the last a client sees: a connection lost on the way back. */
export function send(reply: Reply, response: ServerResponse, acceptsGzip: boolean, cutAfter?: number): void {
  const plain = Buffer.from(reply.body, 'utf8');
  const compress = acceptsGzip && plain.length > compressAboveBytes && reply.contentType !== undefined;
  const bytes = compress ? gzipSync(plain) : plain;
  const closes = reply.status >= 400 || cutAfter !== undefined;
  const headers: Record<string, string | number> = {
    'Cache-Control': 'max-age=0',
    Pragma: 'no-cache',
    Server: 'pve-api-daemon/3.0',
    'Content-Length': bytes.length,
  };
  if (reply.contentType !== undefined) headers['Content-Type'] = reply.contentType;
  if (compress) headers['Content-Encoding'] = 'gzip';
  if (closes) headers['Connection'] = 'close';
  response.writeHead(reply.status, reply.reason.replace(unspeakable, '?'), headers);
  if (cutAfter === undefined) response.end(bytes);
  else
    response.write(bytes.subarray(0, Math.min(cutAfter, Math.max(bytes.length - 1, 0))), () =>
      response.socket?.destroy(),
    );
}
