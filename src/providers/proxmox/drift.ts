import type { ConfigDrift, ShadowSpec } from '../../ports/hypervisor.ts';
import { ProxmoxError } from './errors.ts';
import type { GuestConfig } from './guest-config.ts';
import { sizeGiB } from './guest-config.ts';
import { fieldOf, measured } from './measured-fields.ts';

/*
 * Two comparisons by one table. A fresh clone is held against its *source*, and must not differ by anything nobody
 * ordered. A shadow is held against its *primary*, which may have been changed since, or never have been like the
 * template: that is shown, and stops nothing.
 */

type Difference = {
  readonly key: string;
  readonly source: string;
  readonly clone: string;
  /** Undefined: nobody asked for it. */
  readonly design?: 'tier' | 'identity';
};

/** Storages hand out space in pieces: a copy may be larger by less than the largest of them. */
const extentGiB = 32 / 1024;

/** What differs, by design or not, sorted by key. */
export function differences(source: GuestConfig, clone: GuestConfig): Difference[] {
  const [a, b] = [measured(source), measured(clone)];
  return [...new Set([...a.keys(), ...b.keys()])].sort().flatMap((key): Difference[] => {
    const row = { key, source: shown(a.get(key)), clone: shown(b.get(key)) };
    if (row.source === row.clone) return [];
    if (key.endsWith(' size')) return differentSize(row);
    const { design } = fieldOf(key);
    const why = typeof design === 'function' ? design(source, clone) : design;
    if (why === 'record') return [];
    return [why === undefined ? row : { ...row, design: why }];
  });
}

/** A disk may be grown for a tier, and never shrinks. */
function differentSize(row: Difference): Difference[] {
  const of = (text: string): number => sizeGiB(text.replace(' GiB', 'G')) ?? Number.NaN;
  const grownBy = of(row.clone) - of(row.source);
  if (grownBy >= 0 && grownBy < extentGiB) return [];
  return [grownBy > 0 ? { ...row, design: 'tier' } : row];
}

function shown(text: string | undefined): string {
  return text === undefined || text === '' ? 'absent' : text;
}

/** @throws ProxmoxError permanent, with every field and both values, when the clone is not what it was made from */
export function requireIdentical(spec: ShadowSpec, source: GuestConfig, clone: GuestConfig): void {
  const grown = spec.disk === undefined ? undefined : `${spec.disk.drive} size`;
  const wrong = differences(source, clone).filter(
    ({ key, design }) => design === undefined || (key.endsWith(' size') && key !== grown),
  );
  if (wrong.length === 0) return;
  const { vmid, snapshot } = spec.source;
  const from = snapshot === undefined ? `VM ${vmid}` : `snapshot ${snapshot} of VM ${vmid}`;
  const fields = wrong.map((row) => `${row.key}: ${row.source} there, ${row.clone} here`).join('; ');
  throw new ProxmoxError({
    operation: 'compare clone',
    target: `VM ${spec.ref.vmid} with ${from}`,
    failureClass: 'permanent',
    message:
      `it is not identical to its source in ${fields}. Somebody or something changed one of the two while it was made; ` +
      `see qm config ${vmid} and the task log of both`,
  });
}

/**
 * What differs between a primary and its shadow, without what makes them two guests.
 * @param source what the shadow was made from, when that is another guest than the primary
 */
export function configDrift(primary: GuestConfig, shadow: GuestConfig, source?: GuestConfig): ConfigDrift[] {
  const original = source === undefined ? undefined : measured(source);
  return differences(primary, shadow)
    .filter(({ design }) => design !== 'identity')
    .map(({ key, source: there, clone: here, design }) => {
      const row = { key, primary: there, shadow: here };
      if (design === 'tier') return { ...row, kind: 'tier' };
      const was = original === undefined ? undefined : shown(original.get(key));
      const changed = was === here ? 'primary' : was === there ? 'shadow' : undefined;
      return { ...row, kind: 'drift', ...(changed === undefined ? {} : { changed }) };
    });
}
