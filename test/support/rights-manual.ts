import { propagateOption } from '../../src/providers/proxmox/rights.ts';
import type { Ground, PlaceName } from '../../src/providers/proxmox/privileges.ts';
import { placeNames, placeOf, privileges, privilegesAt } from '../../src/providers/proxmox/privileges.ts';

export const manualMarks = {
  begin:
    '<!-- rights: made from src/providers/proxmox/privileges.ts; UMBRA_RECORD_MANUAL=1 npx jest test/unit/proxmox/manual.test.ts -->',
  end: '<!-- end of rights -->',
};

/** The examples of the manual. */
const example: Omit<Ground, 'version'> = {
  pool: 'umbra',
  storages: ['tank'],
  templates: [9000],
  primaries: [101],
};

const what: Readonly<Record<PlaceName, string>> = {
  shadows: '`/pool/umbra`: shadows',
  primaries: '`/vms/101`: each primary outside the pool',
  templates: '`/vms/9000`: each template, or other guest that shadows are copied from',
  storages: '`/storage/tank`: each storage with disks of templates, primaries or shadows',
  network: '`/sdn/zones/localnetwork`: the bridges',
  cluster: '`/`: the cluster, not passed on',
  nodes: '`/nodes`: every node, passed on',
};

/** The generated part of docs/proxmox.md: what is granted where and why, then the commands. */
export function rightsManual(): string {
  return [
    '| role | at | privilege | why |',
    '|---|---|---|---|',
    ...placeNames.flatMap(rowsAt),
    '',
    'Roles whose privileges depend on the version, on Proxmox VE 9.x:',
    '',
    ...rolesThat(true, '9.0'),
    '',
    'On Proxmox VE 8.4, which has no `VM.GuestAgent.*` yet:',
    '',
    ...rolesThat(true, '8.4'),
    '',
    'On both:',
    '',
    ...rolesThat(false, '9.0'),
    '',
    '    for who in "--users umbra@pve" "--tokens umbra@pve!umbra"; do',
    ...placeNames.flatMap(grantsAt),
    '    done',
    '',
    'Where HA manages a primary:',
    '',
    ...privileges
      .filter(({ withHa }) => withHa)
      .map(({ at, name }) => `    pveum role modify ${placeOf(at).role} --privs ${name} --append 1`),
  ].join('\n');
}

function rowsAt(at: PlaceName): string[] {
  return privileges
    .filter((one) => one.at === at)
    .map(({ name, why, from, before, withHa }, row) => {
      const version = from !== undefined ? ` (from ${from}.0)` : before !== undefined ? ` (before ${before}.0)` : '';
      const only = withHa === undefined ? '' : ' (with HA-managed primaries)';

      const head = row === 0 ? `\`${placeOf(at).role}\` | ${what[at]}` : ' |';
      return `| ${head} | ${name}${version}${only} | ${why} |`;
    });
}

function rolesThat(differ: boolean, version: string): string[] {
  return placeNames
    .filter((at) => privileges.some((one) => one.at === at && (one.from ?? one.before) !== undefined) === differ)
    .map((at) => {
      const names = privilegesAt(at, { version }).map(({ name }) => name);
      return `    pveum role add ${placeOf(at).role} --privs "${names.join(' ')}"`;
    });
}

function grantsAt(at: PlaceName): string[] {
  const { role, paths, below } = placeOf(at);
  const ground = { ...example, version: '9.0' };
  const column = Math.max(...placeNames.flatMap((one) => placeOf(one).paths(ground)).map(({ length }) => length));
  const how = `--roles ${role}${propagateOption(below(ground))}`;
  return paths(ground).map((path) => `      pveum acl modify ${path.padEnd(column)} $who ${how}`);
}
