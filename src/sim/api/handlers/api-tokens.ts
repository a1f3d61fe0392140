import { randomUUID } from 'node:crypto';
import { findToken, requireToken, requireUser } from '../../access/users.ts';
import type { World, WorldToken } from '../../world/world.ts';
import { badParameter, failed } from '../refusal.ts';
import type { Call, Handler } from '../operation.ts';
import { changeUserConfig } from './cluster-file.ts';

type TokenRow = { readonly tokenid: string; readonly privsep: number; readonly expire: number };

const infoOf = ({ privsep, expire, comment }: WorldToken): Omit<TokenRow, 'tokenid'> => ({
  privsep: privsep ? 1 : 0,
  expire,
  ...(comment === undefined ? {} : { comment }),
});

/** The tokens of a user, without their secrets. */
export const tokenRows = (world: World, user: string): TokenRow[] =>
  [...world.tokens.values()]
    .filter(({ id }) => id.startsWith(`${user}!`))
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map((token) => ({ tokenid: token.id.slice(user.length + 1), ...infoOf(token) }));

const fullId = ({ args }: Call): string => `${args.need('userid')}!${args.need('tokenid')}`;

/** What a call sets, as it came: the answer repeats it before anybody has written it as a number. */
const given = ({ args }: Call): Record<string, string> =>
  Object.fromEntries(
    ['privsep', 'expire', 'comment']
      .filter((name) => args.has(name) && !(name === 'comment' && args.need(name) === ''))
      .map((name) => [name, args.need(name)]),
  );

function change({ args }: Call, token: WorldToken): void {
  if (args.has('privsep')) token.privsep = args.flag('privsep');
  if (args.has('expire')) token.expire = args.number('expire') ?? 0;
  if (args.text('comment')) token.comment = args.need('comment');
}

function createToken(call: Call): object {
  const { world } = call.cluster;
  requireUser(world, call.args.need('userid'));
  const id = fullId(call);
  if (findToken(world, id)) throw badParameter({ tokenid: 'Token already exists.' });
  return changeUserConfig(call, 'generating token failed', () => {
    const token: WorldToken = { id, expire: 0, privsep: true, secret: randomUUID() };
    change(call, token);
    world.tokens.set(id, token);
    return { info: { privsep: 1, ...given(call) }, value: token.secret, 'full-tokenid': id };
  });
}

function updateToken(call: Call): object {
  const { args, cluster } = call;
  const token = requireToken(cluster.world, fullId(call));
  return changeUserConfig(call, 'updating token info failed', () => {
    const unset = args.list('delete');
    const wrong = unset.find((name) => !['comment', 'expire', 'privsep'].includes(name));
    if (wrong !== undefined) throw failed(`unknown option '${wrong}'`);
    const before = infoOf(token);
    change(call, token);
    if (unset.includes('comment')) Reflect.deleteProperty(token, 'comment');
    if (unset.includes('expire')) token.expire = 0;
    if (unset.includes('privsep')) token.privsep = true;
    const answer = Object.entries({ ...before, ...given(call) }).filter(([name]) => !unset.includes(name));
    return Object.fromEntries(answer);
  });
}

const tokens = '/access/users/{userid}/token';

export const tokenHandlers: Readonly<Record<string, Handler>> = {
  [`GET ${tokens}`]: ({ cluster: { world }, args }) => tokenRows(world, requireUser(world, args.need('userid')).id),
  [`GET ${tokens}/{tokenid}`]: (call) => infoOf(requireToken(call.cluster.world, fullId(call))),
  [`POST ${tokens}/{tokenid}`]: createToken,
  [`PUT ${tokens}/{tokenid}`]: updateToken,
  [`DELETE ${tokens}/{tokenid}`]: (call) => {
    const { world } = call.cluster;
    const { id } = requireToken(world, fullId(call));
    return changeUserConfig(call, 'deleting token failed', () => {
      world.tokens.delete(id);
      // Entries of a token that is gone are not read back.
      world.acls = world.acls.filter(({ who }) => who !== id);
      return null;
    });
  },
};
