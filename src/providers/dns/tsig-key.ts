import { tsigAlgorithms } from './tsig.ts';
import type { TsigAlgorithm, TsigKey } from './tsig.ts';

function isAlgorithm(text: string): text is TsigAlgorithm {
  return (tsigAlgorithms as readonly string[]).includes(text);
}

/**
 * Reads a key file: what `tsig-keygen` prints (`key "name" { algorithm hmac-sha256; secret "..."; };`)
 * or one line `algorithm:name:secret`.
 * @throws RangeError that never contains the secret
 */
export function parseTsigKey(text: string): TsigKey {
  const block = /key\s+"?([^\s"{]+)"?\s*\{([^}]*)\}/.exec(text);
  const line = /^\s*([^:\s]+):([^:\s]+):(\S+)\s*$/.exec(text);
  const [algorithm, name, secret] = block
    ? [
        /algorithm\s+"?([\w-]+)"?\s*;/.exec(block[2] ?? '')?.[1],
        block[1],
        /secret\s+"?([^\s";]+)"?\s*;/.exec(block[2] ?? '')?.[1],
      ]
    : [line?.[1], line?.[2], line?.[3]];
  if (algorithm === undefined || name === undefined || secret === undefined) {
    throw new RangeError('not a TSIG key: expected what tsig-keygen prints, or algorithm:name:secret');
  }
  const lower = algorithm.toLowerCase();
  if (!isAlgorithm(lower)) {
    throw new RangeError(`TSIG algorithm ${algorithm} is not supported: use one of ${tsigAlgorithms.join(', ')}`);
  }
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(secret) || Buffer.from(secret, 'base64').length < 16) {
    throw new RangeError(`the secret of the TSIG key ${name} is not base64 of at least 16 bytes`);
  }
  return { name: name.replace(/\.$/, ''), algorithm: lower, secret };
}
