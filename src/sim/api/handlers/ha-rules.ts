import { createHash } from 'node:crypto';
import { infeasible } from '../../cluster/ha-feasibility.ts';
import type { WorldHaRule } from '../../world/world.ts';
import { badParameter, failed } from '../refusal.ts';
import type { Call, Handler } from '../operation.ts';

/** Every write to the HA configuration holds one lock; what fails under it says of what. */
export function underHaLock(what: string, work: () => void): null {
  try {
    work();
  } catch (error) {
    throw failed(`${what} failed: ${error instanceof Error ? error.message : String(error)}`);
  }
  return null;
}

const digestOf = (rules: ReadonlyMap<string, WorldHaRule>): string =>
  createHash('sha1')
    .update([...rules].map(([id, rule]) => `${id} ${JSON.stringify(rule)}\n`).join(''))
    .digest('hex');

const list = (text: string | undefined): string[] => (text ?? '').split(/[,;\s]+/).filter(Boolean);
const sorted = (text: string): string => list(text).sort().join(',');

/** Refuses to write over what somebody else has changed since it was read. */
function requireDigest(call: Call, rules: ReadonlyMap<string, WorldHaRule>): void {
  if (call.args.has('digest') && call.args.text('digest') !== digestOf(rules))
    throw failed('detected modified configuration - file changed by other user? Try again.');
}

/** What a call sets; lists are kept in order, flags as numbers. */
function taken(call: Call, ...names: string[]): Record<string, string> {
  return Object.fromEntries(
    names
      .filter((name) => call.args.has(name))
      .map((name) => [
        name,
        name === 'nodes' || name === 'resources' ? sorted(call.args.need(name)) : call.args.need(name),
      ]),
  );
}

const typed = (options: Record<string, string>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(options).map(([key, value]) => [
      key,
      ['strict', 'disable', 'restricted', 'nofailback'].includes(key) ? Number(value) : value,
    ]),
  );

function describeRule(call: Call, id: string): Record<string, unknown> {
  const { haRules } = call.cluster.world;
  const rule = haRules.get(id);
  if (!rule) throw failed(`no such ha rule '${id}'`);
  const order = [...haRules.keys()].indexOf(id) + 1;
  return { rule: id, type: rule.type, order, digest: digestOf(haRules), ...typed(rule.options) };
}

/** Options of the two kinds of rules. */
const optionsOf: Record<string, string[]> = {
  'node-affinity': ['resources', 'nodes', 'strict', 'disable', 'comment'],
  'resource-affinity': ['resources', 'affinity', 'disable', 'comment'],
};

/** Each kind has options of its own: those of the other one are unknown, and its own may be required. */
function requireShape(call: Call, type: string, creating: boolean): void {
  const errors: Record<string, string> = {};
  const own = optionsOf[type] ?? [];
  for (const name of ['nodes', 'strict', 'affinity']) {
    if (call.args.has(name) && !own.includes(name))
      errors[name] = 'property is not defined in schema and the schema does not allow additional properties';
  }
  const needed = type === 'node-affinity' ? 'nodes' : 'affinity';
  if (creating && !call.args.has(needed)) errors[needed] = 'property is missing and it is not optional';
  if (Object.keys(errors).length > 0) throw badParameter(errors);
}

function requireKnown(call: Call, options: Record<string, string>): void {
  const { world } = call.cluster;
  const resources = list(options['resources']).filter((sid) => !world.ha.has(sid));
  if (resources.length > 0) throw failed(`cannot use unmanaged resource(s) ${resources.join(', ')}.`);
  const nodes = list(options['nodes'])
    .map((node) => node.split(':')[0]!)
    .filter((node) => !world.nodes.has(node));
  const missing = world.release === '9.2' ? 'non-existent' : 'non-existant';
  if (nodes.length > 0) throw failed(`cannot use ${missing} node(s) ${nodes.join(', ')}.`);
}

/** What is wrong with the parameters loses its status on the way out of the lock, and keeps it as a word. */
function requireFeasible(call: Call, id: string, rule: WorldHaRule): void {
  const blamed = infeasible(call.cluster.world, id, rule);
  if (blamed.size === 0) return;
  throw failed(`400 Rule '${id}' is invalid.\n${[...blamed].map(([option, why]) => `${option}: ${why}\n`).join('')}`);
}

function createRule(call: Call): null {
  const { cluster, args } = call;
  const { haRules } = cluster.world;
  const type = args.need('type');
  const id = args.need('rule');
  requireShape(call, type, true);
  cluster.requireQuorum(call.node);
  return underHaLock('create ha rule', () => {
    if (haRules.has(id)) throw failed(`HA rule '${id}' already defined`);
    const options = taken(call, ...optionsOf[type]!);
    requireKnown(call, options);
    requireFeasible(call, id, { type, options });
    haRules.set(id, { type, options });
  });
}

function updateRule(call: Call): null {
  const { haRules } = call.cluster.world;
  const id = call.args.need('rule');
  requireShape(call, call.args.need('type'), false);
  return underHaLock('update HA rules', () => {
    requireDigest(call, haRules);
    const rule = haRules.get(id);
    if (!rule) throw failed(`HA rule '${id}' does not exist`);
    const options = taken(call, ...optionsOf[rule.type]!);
    requireKnown(call, options);
    const next = { ...rule.options };
    for (const name of call.args.list('delete')) {
      if (!optionsOf[rule.type]!.includes(name)) throw failed(`no such option '${name}'`);
      Reflect.deleteProperty(next, name);
    }
    Object.assign(next, options);
    requireFeasible(call, id, { type: rule.type, options: next });
    haRules.set(id, { type: rule.type, options: next });
  });
}

/** PVE 9 turned groups into rules and refuses every call about them. */
const ofGroups =
  (doing: string, handler: Handler): Handler =>
  (call) => {
    if (call.cluster.world.release !== '8.4') throw failed(`cannot ${doing}: ha groups have been migrated to rules`);
    return handler(call);
  };

function describeGroup(call: Call, id: string): Record<string, unknown> {
  const { haGroups } = call.cluster.world;
  const group = haGroups.get(id);
  if (!group) throw failed(`no such ha group '${id}'`);
  return { group: id, type: 'group', digest: digestOf(haGroups), ...typed(group.options) };
}

const groupOptions = ['nodes', 'restricted', 'nofailback', 'comment'];

function createGroup(call: Call): null {
  const { haGroups } = call.cluster.world;
  const id = call.args.need('group');
  call.cluster.requireQuorum(call.node);
  return underHaLock('create ha group', () => {
    if (haGroups.has(id)) throw failed(`ha group ID '${id}' already defined`);
    haGroups.set(id, { type: 'group', options: taken(call, ...groupOptions) });
  });
}

function updateGroup(call: Call): null {
  const { haGroups } = call.cluster.world;
  const id = call.args.need('group');
  return underHaLock('update ha group', () => {
    requireDigest(call, haGroups);
    const group = haGroups.get(id);
    if (!group) throw failed(`no such ha group '${id}'`);
    for (const name of call.args.list('delete')) {
      if (!groupOptions.includes(name)) throw failed(`no such option '${name}'`);
      if (name === 'nodes') throw failed("unable to delete required option 'nodes'");
      Reflect.deleteProperty(group.options, name);
    }
    Object.assign(group.options, taken(call, ...groupOptions));
  });
}

function deleteGroup(call: Call): null {
  const { world } = call.cluster;
  const id = call.args.need('group');
  return underHaLock('delete ha group', () => {
    const user = [...world.ha].find(([, resource]) => resource.group === id)?.[0];
    if (user !== undefined) throw failed(`ha group is used by service '${user}'`);
    world.haGroups.delete(id);
  });
}

const rules = '/cluster/ha/rules';
const groups = '/cluster/ha/groups';

export const haRuleHandlers: Readonly<Record<string, Handler>> = {
  [`GET ${rules}`]: (call) => {
    const type = call.args.text('type');
    const resource = call.args.text('resource');
    return [...call.cluster.world.haRules]
      .filter(([, rule]) => type === undefined || rule.type === type)
      .filter(([, rule]) => resource === undefined || list(rule.options['resources']).includes(resource))
      .map(([id]) => describeRule(call, id));
  },
  [`GET ${rules}/{rule}`]: (call) => describeRule(call, call.args.need('rule')),
  [`POST ${rules}`]: createRule,
  [`PUT ${rules}/{rule}`]: updateRule,
  [`DELETE ${rules}/{rule}`]: (call) =>
    underHaLock('delete ha rule', () => void call.cluster.world.haRules.delete(call.args.need('rule'))),
  [`GET ${groups}`]: ofGroups('index groups', (call) =>
    [...call.cluster.world.haGroups.keys()].map((id) => describeGroup(call, id)),
  ),
  [`GET ${groups}/{group}`]: ofGroups('read group', (call) => describeGroup(call, call.args.need('group'))),
  [`POST ${groups}`]: ofGroups('create group', createGroup),
  [`PUT ${groups}/{group}`]: ofGroups('update group', updateGroup),
  [`DELETE ${groups}/{group}`]: ofGroups('delete group', deleteGroup),
};
