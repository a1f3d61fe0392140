import { domainToASCII } from 'node:url';

/** RFC 1035: 253 characters; `_umbra.` must still fit in front. */
const maxNameLength = 253 - '_umbra.'.length;

/**
 * A DNS name as the rest of Umbra holds it: ASCII (IDNA, UTS 46), lower case, no final dot; a first label `*` stays.
 * @returns undefined when it is not a name
 */
export function normaliseName(text: string): string | undefined {
  const bare = text.trim().replace(/\.$/, '');
  const wildcard = bare.startsWith('*.');
  const rest = wildcard ? bare.slice(2) : bare;
  // Only letters and digits beyond ASCII need IDNA; it would also turn `0x7f.1` into an address.
  const ascii = /^[\x21-\x7e]*$/.test(rest) ? rest.toLowerCase() : domainToASCII(rest);
  if (!isHostName(ascii)) return undefined;
  const name = wildcard ? `*.${ascii}` : ascii;
  return name.length <= maxNameLength ? name : undefined;
}

function isHostName(name: string): boolean {
  const labels = name.split('.');
  if (labels.length < 2 || /^\d+$/.test(labels.at(-1) ?? '')) return false;
  return labels.every((label) => label.length <= 63 && /^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?$/.test(label));
}

function isInZone(name: string, zone: string): boolean {
  return name === zone || name.endsWith(`.${zone}`);
}

/** The most specific of the zones that holds the name. */
export function zoneOf(name: string, zones: readonly string[]): string | undefined {
  return zones.filter((zone) => isInZone(name, zone)).sort((a, b) => b.length - a.length)[0];
}
