import type { World, WorldUser } from './world.ts';

const list = (text: string | undefined): string[] => (text ?? '').split(/[,;\s]+/).filter(Boolean);

/** A text in a cell: colons, percent signs and what is not ASCII are percent-encoded. */
const encoded = (text = ''): string =>
  text.replace(/[^\x20-\x24\x26-\x39\x3b-\x7e]+/g, (part) => encodeURIComponent(part));
type Described = { comment?: string; firstname?: string; lastname?: string; email?: string; keys?: string };
const described = (name: keyof Described, cell: string | undefined): Described =>
  cell === undefined || cell === '' ? {} : { [name]: decoded(cell) };

function decoded(cell: string): string {
  try {
    return decodeURIComponent(cell);
  } catch {
    return cell;
  }
}

/** `user.cfg`: colon-separated rows, the first word says of what. */
export function readUsers(world: World, lines: readonly string[]): void {
  for (const line of lines) {
    const [kind, ...cell] = line.split(':');
    const first = cell[0] ?? '';
    if (kind === 'user') world.users.set(first, readUser(first, cell));
    else if (kind === 'group')
      world.groups.set(first, { members: new Set(list(cell[1])), ...described('comment', cell[2]) });
    else if (kind === 'token') {
      const expire = Number(cell[1] ?? 0);
      world.tokens.set(first, {
        id: first,
        expire,
        privsep: cell[2] === '1',
        secret: '',
        ...described('comment', cell[3]),
      });
    } else if (kind === 'role') world.roles.set(first, new Set(list(cell[1])));
    else if (kind === 'pool') {
      world.pools.set(first, {
        comment: decoded(cell[1] ?? ''),
        vms: new Set(list(cell[2]).map(Number)),
        storages: new Set(list(cell[3])),
      });
    } else if (kind === 'acl') {
      for (const who of list(cell[2])) {
        for (const role of list(cell[3])) world.acls.push({ path: cell[1]!, propagate: first === '1', who, role });
      }
    }
  }
}

const readUser = (id: string, cell: readonly string[]): WorldUser => ({
  id,
  enabled: cell[1] === '1',
  expire: Number(cell[2] ?? 0),
  ...described('firstname', cell[3]),
  ...described('lastname', cell[4]),
  ...described('email', cell[5]),
  ...described('comment', cell[6]),
  ...described('keys', cell[7]),
});

/** The same file again. */
export function formatUsers(world: World): string {
  const rows: string[] = [];
  const row = (...cells: (string | number)[]): void => {
    rows.push(`${cells.join(':')}:`);
  };
  for (const { id, enabled, expire, firstname, lastname, email, comment, keys } of world.users.values()) {
    const names = [encoded(firstname), encoded(lastname), email ?? '', encoded(comment), keys ?? ''];
    row('user', id, enabled ? 1 : 0, expire, ...names);
  }
  for (const { id, expire, privsep, comment } of world.tokens.values())
    row('token', id, expire, privsep ? 1 : 0, encoded(comment));
  for (const [id, { members, comment }] of world.groups) row('group', id, [...members].join(','), encoded(comment));
  for (const [id, { comment, vms, storages }] of world.pools)
    row('pool', id, encoded(comment), [...vms].join(','), [...storages].join(','));
  for (const [id, privileges] of world.roles) row('role', id, [...privileges].join(','));
  for (const { path, propagate, who, role } of world.acls) row('acl', propagate ? 1 : 0, path, who, role);
  return rows.join('\n') + '\n';
}
