import { readFile } from 'node:fs/promises';
import { request } from 'undici';

import type { DemandBatch } from '../domain/demand.ts';
import type { DemandStore } from '../ports/demand-store.ts';
import { ProviderError } from '../ports/errors.ts';
import type { FailureClass } from '../ports/errors.ts';

/** A batch of 20,000 hosted VMs is 5 MB; a slow line still carries it in this time. */
const timeoutMs = 30_000;

/**
 * The store as a remote edge sees it: `POST <url>/api/v1/demand` with a DemandBatch as JSON and a bearer token.
 * @param url of the API, `https://umbra.example:8443`
 * @param tokenFile read for each batch, so that a renewed token needs no restart
 */
export function writeOverHttp(url: string, tokenFile: string): Pick<DemandStore, 'write'> {
  const target = new URL('/api/v1/demand', url);
  const fail = (failureClass: FailureClass, message: string, cause?: unknown): never => {
    const what = { provider: 'api', operation: 'write demand to', target: target.host, failureClass, message };
    throw new ProviderError(what, { cause });
  };
  return {
    async write(batch: DemandBatch) {
      const token = await readFile(tokenFile, 'utf8').catch((error: unknown) => {
        return fail('auth', `the token file ${tokenFile} cannot be read`, error);
      });
      const answer = await request(target, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token.trim()}` },
        body: JSON.stringify(batch),
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
      }).catch((error: unknown) => fail('transient', (error as Error).message || 'no connection', error));
      const text = await answer.body.text().catch((error: unknown) => fail('transient', 'the answer broke off', error));
      if (answer.statusCode === 200) return outcomeOf(text) ?? fail('transient', 'an answer that is not of Umbra');
      return fail(classOf(answer.statusCode), `${answer.statusCode} ${text.slice(0, 300)}`);
    },
  };
}

function outcomeOf(text: string): 'written' | 'repeated' | undefined {
  try {
    const { outcome } = JSON.parse(text) as { outcome?: unknown };
    return outcome === 'written' || outcome === 'repeated' ? outcome : undefined;
  } catch {
    return undefined;
  }
}

/** A wrong token is mended by a human while the spool waits; only a batch that is itself wrong is given up. */
function classOf(status: number): FailureClass {
  if (status === 401) return 'auth';
  if (status === 403) return 'permission';
  return status === 400 || status === 413 || status === 422 ? 'invalid' : 'transient';
}
