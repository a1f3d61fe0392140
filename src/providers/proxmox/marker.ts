import type { Marker } from '../../ports/hypervisor.ts';
import type { GuestConfig } from './guest-config.ts';
import { tagsOf } from './guest-config.ts';

/*
 * One line in the guest's description says that it is ours: `umbra:v1 vm=shop n=2 role=shadow op=... [configured=no] [retired=<ms>]`.
 * The description is the one place that survives cloning, restoring and a human's editing of tags. Everything else in
 * it is the operator's and stays.
 */
const line = /^umbra:v1 (.+)$/m;
const word = /^[^\s=]+$/;

/** @throws Error when a value could not be read back */
export function markerLine(marker: Marker): string {
  const { hostedVmId, n, role, operation, retiredAt, unconfigured } = marker;
  for (const value of [hostedVmId, operation]) {
    if (!word.test(value)) throw new Error(`a marker cannot hold ${JSON.stringify(value)}: no spaces, no =`);
  }
  const parts = [`vm=${hostedVmId}`, `n=${n}`, `role=${role}`, `op=${operation}`];
  if (unconfigured === true) parts.push('configured=no');
  if (retiredAt !== undefined) parts.push(`retired=${retiredAt}`);
  return `umbra:v1 ${parts.join(' ')}`;
}

/** @returns undefined when there is no marker, or one that cannot be understood: then the guest is not ours to touch */
export function readMarker(description: string | undefined): Marker | undefined {
  const found = line.exec(description ?? '')?.[1];
  if (found === undefined) return undefined;
  const parts = new Map(
    found
      .trim()
      .split(/\s+/)
      .map((part) => {
        const at = part.indexOf('=');
        return [part.slice(0, at), part.slice(at + 1)] as const;
      }),
  );
  const hostedVmId = parts.get('vm');
  const operation = parts.get('op');
  const n = parts.get('n');
  const role = parts.get('role');
  const retired = parts.get('retired');
  if (hostedVmId === undefined || operation === undefined || n === undefined || !/^\d+$/.test(n)) return undefined;
  if (role !== 'primary' && role !== 'shadow' && role !== 'retired') return undefined;
  if (retired !== undefined && !/^\d+$/.test(retired)) return undefined;
  return {
    hostedVmId,
    n: Number(n),
    role,
    operation,
    ...(retired === undefined ? {} : { retiredAt: Number(retired) }),
    ...(parts.get('configured') === 'no' ? { unconfigured: true as const } : {}),
  };
}

/** The description with our line set; the operator's text stays above it. */
export function describedAs(marker: Marker, description = ''): string {
  const others = withoutMarker(description);
  return others === '' ? markerLine(marker) : `${others}\n\n${markerLine(marker)}`;
}

export function withoutMarker(description: string): string {
  return description
    .split('\n')
    .filter((one) => !one.startsWith('umbra:'))
    .join('\n')
    .trim();
}

/** True while the clone is not its own yet: from the clone itself to the last write of its configuration. */
export function isUnconfigured(config: GuestConfig): boolean {
  return readMarker(config['description'])?.unconfigured === true;
}

export function sameInstance(a: Marker, b: Marker): boolean {
  return a.hostedVmId === b.hostedVmId && a.n === b.n;
}

const ourTags = /^umbra(-.*)?$/;

/**
 * Tags for people's eyes and the web interface's search: `umbra`, `umbra-shadow`, `umbra-vm-shop`. The operator's
 * own stay, sorted and in lower case as Proxmox stores them.
 */
export function taggedAs(marker: Marker, tags: string | undefined): string {
  const others = tagsOf(tags).filter((tag) => !ourTags.test(tag));
  return tagList([...others, 'umbra', `umbra-${marker.role}`, `umbra-vm-${tagWord(marker.hostedVmId)}`]);
}

/** Proxmox's own normal form, so that comparing what we want with what is stored works. */
export function tagList(tags: readonly string[]): string {
  return [...new Set(tags.map((tag) => tag.toLowerCase()))].sort().join(';');
}

function tagWord(text: string): string {
  return text.toLowerCase().replace(/[^a-z0-9_\-+.]/g, '-');
}
