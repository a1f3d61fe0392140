import { isIP, isIPv4 } from 'node:net';
import { formatDuration, parseDuration } from '../domain/time.ts';
import { parseHostPort } from './addresses.ts';
import { normaliseName } from './names.ts';
import { scalar } from './shape.ts';
import type { Shape } from './shape.ts';

/** `24h`, `90s`, `1h30m`; in milliseconds, both bounds included. */
export function duration(leastMs: number, mostMs: number): Shape<number> {
  return scalar(
    'a duration',
    { type: 'string', pattern: '^(\\d+(\\.\\d+)?(ms|s|m|h|d))+$' },
    (value) => {
      const ms = typeof value === 'string' ? parseDuration(value) : undefined;
      if (ms === undefined) return undefined;
      if (ms < leastMs) return { refused: `is shorter than ${formatDuration(leastMs)}` };
      return ms > mostMs ? { refused: `is longer than ${formatDuration(mostMs)}` } : ms;
    },
    'write a number and its unit: 250ms, 90s, 10m, 24h, 7d, 1h30m',
  );
}

/** A number within bounds, both included. */
export function number(least: number, most: number, noun = 'a number'): Shape<number> {
  return scalar(noun, { type: 'number', minimum: least, maximum: most }, (value) =>
    typeof value === 'number' && Number.isFinite(value) ? within(value, least, most) : undefined,
  );
}

/** A whole number within bounds, both included. */
export function whole(least: number, most: number, noun = 'a whole number'): Shape<number> {
  return scalar(noun, { type: 'integer', minimum: least, maximum: most }, (value) =>
    Number.isInteger(value) ? within(value as number, least, most) : undefined,
  );
}

function within(value: number, least: number, most: number): number | { refused: string } {
  if (value < least) return { refused: `is below ${least}` };
  return value > most ? { refused: `is above ${most}` } : value;
}

/** `80%` or `0.8`. */
export const share: Shape<number> = scalar(
  'a share',
  {
    anyOf: [
      { type: 'number', minimum: 0, maximum: 1 },
      { type: 'string', pattern: '^\\d+(\\.\\d+)?\\s*%$' },
    ],
  },
  (value) => {
    const percent = typeof value === 'string' ? /^(\d+(?:\.\d+)?)\s*%$/.exec(value) : null;
    const part = percent === null ? value : Number(percent[1]) / 100;
    if (typeof part !== 'number') return undefined;
    return part >= 0 && part <= 1 ? part : { refused: 'is not between 0 and 1, or 0% and 100%' };
  },
  'write 80% or 0.8',
);

const mebibytes: Readonly<Record<string, number>> = { MiB: 1, M: 1, GiB: 1024, G: 1024, TiB: 1_048_576, T: 1_048_576 };

/** `4GiB`, `512MiB`; in MiB. A bare number would be read differently by everyone, so it needs its unit. */
export const memory: Shape<number> = scalar(
  'an amount of memory',
  { type: 'string', pattern: '^\\d+(\\.\\d+)?\\s*(MiB|GiB|TiB|M|G|T)$' },
  (value) => {
    const match = typeof value === 'string' ? /^(\d+(?:\.\d+)?)\s*(MiB|GiB|TiB|M|G|T)$/.exec(value) : null;
    const amount = match === null ? 0 : Math.round(Number(match[1]) * (mebibytes[match[2] ?? ''] ?? 0));
    return amount > 0 ? amount : undefined;
  },
  'write a number and its unit: 512MiB, 4GiB',
);

/** Any text of one line that is not empty. */
export function text(noun: string, most = 255): Shape<string> {
  return scalar(noun, { type: 'string', minLength: 1, maxLength: most }, (value) =>
    typeof value === 'string' && value.trim() !== '' && value.length <= most && !/[\p{Cc}]/u.test(value)
      ? value
      : undefined,
  );
}

/** A word that goes into workflow ids, Proxmox names and file names. */
export function identifier(noun: string): Shape<string> {
  return scalar(
    noun,
    { type: 'string', pattern: '^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$' },
    (value) => {
      const word = typeof value === 'number' ? String(value) : value;
      return typeof word === 'string' && /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/.test(word) ? word : undefined;
    },
    'up to 40 of a-z, 0-9 and -, neither first nor last a -',
  );
}

export function oneOf<const Word extends string>(noun: string, words: readonly Word[]): Shape<Word> {
  return scalar(
    noun,
    { enum: words },
    (value) => words.find((word) => word === value),
    `write ${words.slice(0, -1).join(', ')}${words.length > 1 ? ' or ' : ''}${words.at(-1) ?? ''}`,
  );
}

export const truth: Shape<boolean> = scalar('true or false', { type: 'boolean' }, (value) =>
  typeof value === 'boolean' ? value : undefined,
);

export const dnsName: Shape<string> = scalar(
  'a DNS name',
  { type: 'string', minLength: 3 },
  (value) => (typeof value === 'string' ? normaliseName(value) : undefined),
  'write it whole: shop.example.com, or *.shop.example.com for everything below it',
);

export const ipv4: Shape<string> = scalar(
  'an IPv4 address',
  { type: 'string', format: 'ipv4' },
  (value) => (typeof value === 'string' && isIPv4(value) ? value : undefined),
  'write it in dotted form: 10.0.0.11',
);

/** `192.0.2.0/24`, `2001:db8::/32`, or one address. */
export const addressPrefix: Shape<string> = scalar(
  'an address prefix',
  { type: 'string' },
  (value) => (typeof value === 'string' && isPrefix(value) ? value : undefined),
  'write 192.0.2.0/24, 2001:db8::/32 or one address',
);

function isPrefix(text: string): boolean {
  const [address = '', length, ...more] = text.split('/');
  const most = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  return (
    most > 0 && more.length === 0 && (length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= most))
  );
}

export function hostPort(defaultPort: number): Shape<string> {
  return scalar(
    'a host and port',
    { type: 'string' },
    (value) => (typeof value === 'string' ? parseHostPort(value, defaultPort) : undefined),
    `write host:port, 192.0.2.53:${defaultPort} or [2001:db8::53]:${defaultPort}`,
  );
}

export function webAddress(...protocols: readonly ('https' | 'http')[]): Shape<string> {
  return scalar(`an ${protocols.join(' or ')} address`, { type: 'string', format: 'uri' }, (value) => {
    if (typeof value !== 'string' || !URL.canParse(value)) return undefined;
    const url = new URL(value);
    if (url.username !== '' || url.password !== '') return { refused: 'holds a password: name a file instead' };
    return protocols.some((protocol) => url.protocol === `${protocol}:`) ? value.replace(/\/+$/, '') : undefined;
  });
}

function absolutePath(noun: 'file' | 'folder', hint: string): Shape<string> {
  return scalar(
    `the absolute path of a ${noun}`,
    { type: 'string', pattern: '^(/|[A-Za-z]:[\\\\/])' },
    (value) => {
      if (typeof value !== 'string' || value.trim() === '') return undefined;
      return /^(\/|[A-Za-z]:[\\/])/.test(value) ? value : { refused: `is not the absolute path of a ${noun}` };
    },
    hint,
  );
}

/** Several processes on several machines read these files, so a relative path would mean something else to each. */
export const secretFile = absolutePath(
  'file',
  'name the file that holds the secret: /etc/umbra/pve.token; never the secret itself',
);

export const folder = absolutePath('folder', 'write it from the root on: /var/lib/umbra');

/** ISO 8601 with its offset: `2026-11-27T08:00:00+01:00`; in milliseconds since the epoch. */
export const instant: Shape<number> = scalar(
  'an instant',
  { type: 'string', format: 'date-time' },
  (value) => {
    const whole = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/;
    const at = typeof value === 'string' && whole.test(value) ? Date.parse(value) : NaN;
    return Number.isNaN(at) ? undefined : at;
  },
  'write date, time and offset: 2026-11-27T08:00:00+01:00 or 2026-11-27T07:00:00Z',
);

export const timeZoneName: Shape<string> = scalar(
  'a time zone',
  { type: 'string' },
  (value) => {
    if (typeof value !== 'string') return undefined;
    try {
      return new Intl.DateTimeFormat('en', { timeZone: value }).resolvedOptions().timeZone;
    } catch {
      return undefined;
    }
  },
  'write an IANA name: Europe/Berlin, America/New_York, UTC',
);
