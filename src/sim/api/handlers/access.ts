import { dumpPermissions, has, permissionsAt } from '../../access/permissions.ts';
import type { Identity } from '../../access/permissions.ts';
import { notPermitted, Refusal } from '../refusal.ts';
import type { Handler } from '../operation.ts';

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
  'GET /access/ticket': () => null,
  // There are no passwords in a world: every login is refused.
  'POST /access/ticket': () => {
    throw new Refusal(401, 'authentication failure');
  },
};
