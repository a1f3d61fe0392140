import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TsigKey } from '../providers/dns/tsig.ts';

export type Secrets = {
  readonly heartbeatFile: string;
  readonly tsig: TsigKey;
  readonly tsigFile: string;
};

/** Random, in files that only we can read; kept with the rest of the state. */
export async function obtainSecrets(dir: string): Promise<Secrets> {
  const random = (): string => randomBytes(32).toString('base64');
  const tsig = await kept(join(dir, 'tsig.key'), () => `hmac-sha256:umbra:${random()}`);
  const heartbeat = await kept(join(dir, 'heartbeat.secret'), random);
  return {
    heartbeatFile: heartbeat.file,
    tsig: { name: 'umbra', algorithm: 'hmac-sha256', secret: tsig.value.split(':')[2] ?? '' },
    tsigFile: tsig.file,
  };
}

async function kept(file: string, make: () => string): Promise<{ file: string; value: string }> {
  if (existsSync(file)) return { file, value: (await readFile(file, 'utf8')).trim() };
  const value = make();
  await writeSecret(file, value);
  return { file, value };
}

export async function writeSecret(file: string, value: string): Promise<void> {
  await writeFile(file, `${value}\n`, { mode: 0o600 });
  await chmod(file, 0o600);
}
