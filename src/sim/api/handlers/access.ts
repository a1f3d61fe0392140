import { dumpPermissions, has, permissionsAt } from '../../access/permissions.ts';
import type { Identity } from '../../access/permissions.ts';
import { createHash } from 'node:crypto';
import { failed, notPermitted, Refusal } from '../refusal.ts';
import type { Handler } from '../operation.ts';

/** The realms every cluster has. Others would need a server to ask. */
export const realms: ReadonlyMap<string, { readonly type: string; readonly comment: string }> = new Map([
  ['pam', { type: 'pam', comment: 'Linux PAM standard authentication' }],
  ['pve', { type: 'pve', comment: 'Proxmox VE authentication server' }],
]);
/** Of `domains.cfg` before anybody wrote one. */
const domainsDigest = createHash('sha1').update('').digest('hex');

export const accessHandlers: Readonly<Record<string, Handler>> = {
  'GET /access/permissions': ({ cluster, who, args }) => {
    const asked = args.text('userid');
    let subject: Identity = who;
    if (asked !== undefined && asked !== who.id) {
      const [user, token] = asked.split('!');
      const own = token !== undefined && user === who.user && who.token === undefined;
      if (!own && !has(cluster.world, who, '/access', 'Sys.Audit')) throw notPermitted('/access, Sys.Audit');
      subject = { id: asked, user: user!, ...(token === undefined ? {} : { token }) };
    }
    const path = args.text('path');
    if (path === undefined) return dumpPermissions(cluster.world, subject);
    const granted = permissionsAt(cluster.world, subject, path);
    return { [path]: Object.fromEntries([...granted].map(([name, propagate]) => [name, propagate ? 1 : 0])) };
  },
  'GET /access/domains': () => [...realms].map(([realm, about]) => ({ realm, ...about })),
  'GET /access/domains/{realm}': ({ args }) => {
    const realm = realms.get(args.need('realm'));
    if (!realm) throw failed(`domain '${args.need('realm')}' does not exist`);
    return { ...realm, digest: domainsDigest };
  },
  'GET /access/ticket': () => null,
  // There are no passwords in a world: every login is refused.
  'POST /access/ticket': () => {
    throw new Refusal(401, 'authentication failure');
  },
};
