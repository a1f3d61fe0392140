import { request } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';

/** An answer as far as recordings keep it; the body as JSON where it is some. */
export type Response = {
  readonly status: number;
  readonly reason: string;
  readonly contentType: string | null;
  readonly body: unknown;
};

/** One request as a recorder would send it: nothing is normalised on the way. */
export function exchange(
  base: string,
  method: string,
  path: string,
  body: string | undefined,
  headers: IncomingHttpHeaders,
): Promise<Response> {
  const url = new URL(base);
  return new Promise((resolve, reject) => {
    const call = request(
      {
        host: url.hostname,
        port: url.port,
        method,
        path: `${url.pathname}${path}`.replaceAll(' ', '%20'),
        headers: {
          ...headers,
          connection: 'close',
          ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
        },
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => {
          resolve({
            status: response.statusCode ?? 0,
            reason: response.statusMessage ?? '',
            contentType: response.headers['content-type'] ?? null,
            body: parsed(text),
          });
        });
      },
    );
    call.on('error', reject);
    call.end(body);
  });
}

function parsed(text: string): unknown {
  if (text === '') return null;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
