import { existsSync } from 'node:fs';
import { join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { ApiServer } from './context.ts';

/** Files of this origin and nothing else: no inline script, no other host, in nobody's frame. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

/** Every answer, of the API too, carries these. */
export function guardBrowsers(server: ApiServer): void {
  server.addHook('onRequest', async (_request, reply) => {
    await Promise.resolve();
    void reply.headers({
      'content-security-policy': contentSecurityPolicy,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
    });
  });
}

/** The built dashboard; its own addresses (`/vm/shop`) all lead to its one page. */
export async function serveDashboard(server: ApiServer, webRoot: string | undefined): Promise<void> {
  const built = webRoot !== undefined && existsSync(join(webRoot, 'index.html'));
  if (built) {
    await server.register(fastifyStatic, {
      root: webRoot,
      wildcard: false,
      cacheControl: false,
      // The page holds no secret; what it reads asks for a token, and it asks its user for one.
      setHeaders: (reply, path) => {
        const named = /[\\/]assets[\\/]/.test(path);
        void reply.setHeader('cache-control', named ? 'public, max-age=31536000, immutable' : 'no-cache');
      },
    });
  }
  server.setNotFoundHandler({}, async (request, reply) => {
    const path = request.url.split('?')[0] ?? '';
    const page =
      request.method === 'GET' && !path.startsWith('/api/') && (request.headers.accept ?? '').includes('text/html');
    if (page && built) return await reply.sendFile('index.html');
    const message =
      page && path === '/'
        ? 'the dashboard is not built here: npm run build'
        : `there is nothing at ${request.method} ${path}`;
    return await reply.code(404).send({ message });
  });
}
