import type { RightsFinding } from '../../ports/hypervisor.ts';
import type { Below, Ground, PlaceName } from './privileges.ts';
import { placeNames, placeOf, privilegesAt } from './privileges.ts';

/** Privileges by path, as `GET /access/permissions` gives them: 1 when they hold for everything below as well. */
export type Permissions = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** What a refusal of Proxmox named; where either of two would do, `A|B` as Proxmox writes it. */
export type Lack = { readonly privilege: string; readonly path: string };

/** One finding per privilege and path, each with the commands that grant it. */
export function findings(ground: Ground, tokenId: string, permissions: Permissions): RightsFinding[] {
  return placeNames.flatMap((at) =>
    placeOf(at)
      .paths(ground)
      .flatMap((path) =>
        privilegesAt(at, ground).map(({ name: privilege }) => ({
          privilege,
          path,
          granted: isGranted(permissions, path, privilege, placeOf(at).below(ground) === 'needed'),
          mend: commandFor(ground, tokenId, at, { privilege, path }),
        })),
      ),
  );
}

/**
 * The entry of the path itself decides, else the nearest one above it, and that only with what it passes on. Proxmox
 * lists every path that has an entry of its own, with what is in force there.
 * @param propagates whether it must hold below the path too: an entry that is not passed on is not enough then
 */
export function isGranted(permissions: Permissions, path: string, privilege: string, propagates = false): boolean {
  const own = permissions[path];
  if (own !== undefined) return propagates ? own[privilege] === 1 : privilege in own;
  for (let above = parentOf(path); above !== undefined; above = parentOf(above)) {
    const entry = permissions[above];
    if (entry !== undefined) return entry[privilege] === 1;
  }
  return false;
}

function parentOf(path: string): string | undefined {
  if (path === '/') return undefined;
  const cut = path.lastIndexOf('/');
  return cut === 0 ? '/' : path.slice(0, cut);
}

/** What is known of the guest that a refusal names. */
export type KnownGuest = { readonly inRange: boolean; readonly template: boolean | undefined };

/**
 * The commands that grant what a refusal named, by the table: a shadow's right comes from its pool, a bridge's from its
 * zone, a node's from all nodes. Undefined for what Umbra does not ask for.
 */
export function mendFor(
  ground: Pick<Ground, 'version' | 'pool'>,
  tokenId: string,
  lack: Lack,
  guest: KnownGuest,
): string | undefined {
  const place = placeOfPath(lack, guest);
  if (place === undefined) return undefined;
  const whole = { ...ground, storages: [], templates: [], primaries: [], usesHa: true };
  const asked = privilegesAt(place, whole).map(({ name }) => name);
  const privilege = lack.privilege.split('|').find((one) => asked.includes(one));
  const [common] = placeOf(place).paths(whole);
  return privilege === undefined
    ? undefined
    : commandFor(whole, tokenId, place, { privilege, path: common ?? lack.path });
}

function placeOfPath({ path, privilege }: Lack, guest: KnownGuest): PlaceName | undefined {
  const [, top = ''] = path.split('/');
  switch (top) {
    case '':
      return 'cluster';
    case 'nodes':
      return 'nodes';
    case 'sdn':
      return 'network';
    case 'storage':
      return 'storages';
    case 'pool':
      return 'shadows';
    case 'vms': {
      if (path === '/vms' || guest.inRange) return 'shadows';
      // Of a guest that was never seen only what is asked for tells what it is to us: the smaller role is offered.
      const ofTemplate = guest.template ?? (privilege === 'VM.Audit' || privilege === 'VM.Clone');
      return ofTemplate ? 'templates' : 'primaries';
    }
    default:
      return undefined;
  }
}

/** Appends to the role, made where it is not there yet, and grants it at the path: to the user and to the token. */
function commandFor(ground: Ground, tokenId: string, at: PlaceName, { privilege, path }: Lack): string {
  const user = tokenId.split('!')[0] ?? tokenId;
  const { role, below } = placeOf(at);
  const how = `--roles ${role}${propagateOption(below(ground))}`;
  return (
    `pveum role add ${role} 2>/dev/null; pveum role modify ${role} --privs ${privilege} --append 1 && ` +
    `pveum acl modify ${path} --users '${user}' ${how} && ` +
    `pveum acl modify ${path} --tokens '${tokenId}' ${how}`
  );
}

/** Said where it matters; Proxmox passes rights on by default. */
export function propagateOption(below: Below): string {
  switch (below) {
    case 'needed':
      return ' --propagate 1';
    case 'withheld':
      return ' --propagate 0';
    case 'allowed':
      return '';
  }
}
