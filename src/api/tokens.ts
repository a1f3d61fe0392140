import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** From least to most; `edge` may only deliver demand. */
export const roles = ['edge', 'viewer', 'operator', 'admin'] as const;
export type Role = (typeof roles)[number];

/** One line of the token file: `operator ada sha256:0f...`. The token itself is known only to its bearer. */
export type TokenEntry = { readonly role: Role; readonly name: string; readonly digest: Buffer };

/** @returns what the bearer keeps, and the line for the token file */
export function makeToken(role: Role, name: string): { token: string; line: string } {
  const token = `umbra_${randomBytes(24).toString('base64url')}`;
  return { token, line: `${role} ${name} sha256:${digestOf(token).toString('hex')}` };
}

/** @throws Error that names the line, never what stands on it: somebody may have put a token there */
export function parseTokenFile(text: string, file: string): TokenEntry[] {
  return text.split('\n').flatMap((raw, index) => {
    const line = raw.replace(/#.*/, '').trim();
    if (line === '') return [];
    const match = /^(\w+)\s+([\w.@-]{1,64})\s+sha256:([0-9a-f]{64})$/.exec(line);
    const role = roles.find((known) => known === match?.[1]);
    if (match === null || role === undefined) {
      throw new Error(
        `${file}:${index + 1}: write ROLE NAME sha256:HEX, as umbra token --role viewer --name NAME prints it`,
      );
    }
    return [{ role, name: match[2] ?? '', digest: Buffer.from(match[3] ?? '', 'hex') }];
  });
}

/** Digests are compared in constant time; which entry it is says nothing about its token. */
export function findToken(entries: readonly TokenEntry[], token: string): TokenEntry | undefined {
  const digest = digestOf(token);
  return entries.find((entry) => timingSafeEqual(entry.digest, digest));
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
