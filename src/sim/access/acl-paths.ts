import type { World } from '../world/world.ts';
import { checkAny } from './permissions.ts';
import type { Identity } from './permissions.ts';

/** A path as entries of the list have it: one slash each, none at the end. Undefined for what no path can be. */
export function normalAclPath(path: string): string | undefined {
  if (path === '' || path === '0') return undefined;
  const normal = `/${path}`.replace(/\/+/g, '/').replace(/(.)\/$/, '$1');
  return /^[A-Za-z0-9.\-_/]+$/.test(normal) ? normal : undefined;
}

const name = '[A-Za-z0-9.\\-_]+';
const one = (...words: readonly string[]): string => `/(?:${words.join('|')})`;
const aclPath = new RegExp(
  '^(?:' +
    [
      '/',
      '/access',
      `/access${one('groups', 'realm')}(?:/${name})?`,
      `/nodes(?:/${name})?`,
      `/pool(?:/${name}){0,3}`,
      '/sdn',
      `/sdn${one('controllers', 'dns', 'fabrics', 'ipams')}(?:/[A-Za-z0-9_-]+)?`,
      `/sdn/zones(?:/${name}(?:/${name}(?:/[1-9][0-9]{0,3})?)?)?`,
      `/storage(?:/${name})?`,
      '/vms(?:/[1-9][0-9]{2,})?',
      `/mapping(?:/${name}){0,2}`,
    ].join('|') +
    ')$',
);

/** Whether rights can be given on a path. */
export const isAclPath = (path: string): boolean => aclPath.test(path);

/** Who may change rights may; so may who may allocate what the path is of. */
export function requireModify(world: World, who: Identity, path: string): void {
  const own = [
    [/^\/storage\/./, 'Datastore.Allocate'],
    [/^\/vms\/./, 'VM.Allocate'],
    [/^\/pool\/./, 'Pool.Allocate'],
  ] as const;
  const more = own.filter(([pattern]) => pattern.test(path)).map(([, privilege]) => privilege);
  checkAny(world, who, path, ['Permissions.Modify', ...more]);
}
