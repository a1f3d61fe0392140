import type { IncomingMessage } from 'node:http';
import type { Identity } from '../access/permissions.ts';
import { Refusal } from '../api/refusal.ts';
import type { Cluster } from '../cluster/cluster.ts';

/** Newer releases say no more than that it failed; older ones say why. */
const refused = (cluster: Cluster, why: string): Refusal =>
  new Refusal(401, cluster.world.release === '9.2' ? 'Authentication failed!' : why);

/**
 * Who asks. API tokens only: the simulator gives no tickets, so that any ticket is a bad one.
 * Rejects with 401, which the listener answers late.
 */
export function authenticate(cluster: Cluster, request: IncomingMessage): Identity {
  const header = request.headers.authorization ?? '';
  const [, id, secret] = /^PVEAPIToken[= ]([^=]+)[=:](\S+)$/.exec(header) ?? [];
  if (id === undefined) {
    const ticket = /(?:^|;\s*)PVEAuthCookie=/.test(request.headers.cookie ?? '') || header.startsWith('PVEAuthCookie=');
    if (header.startsWith('PVEAPIToken')) throw refused(cluster, 'invalid PVE API token');
    throw ticket ? refused(cluster, 'permission denied - invalid PVE ticket') : new Refusal(401, 'No ticket');
  }
  const [user, token] = id.split('!');
  const now = cluster.clock.now() / 1000;
  const account = cluster.world.users.get(user!);
  if (!account) throw refused(cluster, `no such user ('${user!}')`);
  if (!account.enabled) throw refused(cluster, `user '${user!}' is disabled`);
  if (account.expire > 0 && account.expire < now) throw refused(cluster, `user '${user!}' access expired`);
  const known = cluster.world.tokens.get(id);
  if (!known || token === undefined) throw refused(cluster, `no such token '${token ?? ''}' for user '${user!}'`);
  if (known.expire > 0 && known.expire < now) throw refused(cluster, 'token access expired');
  if (known.secret === '' || known.secret !== secret) throw refused(cluster, 'invalid token value!');
  return { id, user: user!, token };
}
