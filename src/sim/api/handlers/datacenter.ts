import { has } from '../../access/permissions.ts';
import { allowedTags, splitTags } from '../../cluster/tags.ts';
import { datacenterOptions } from '../datacenter-options.ts';
import { parsePropertyString } from '../parameters.ts';
import type { Parameter } from '../parameters.ts';
import type { Handler } from '../operation.ts';

/** Kept as they are written, although they are made of parts. */
const unparsed = new Set(['bwlimit']);
const lists = new Set(['registered-tags', 'user-allow-list']);

/** Said even when nobody has. */
const always = { description: '', mac_prefix: 'BC:24:11' };

/** A value as its type says: numbers and truths are numbers, lists of tags are lists. */
function typed(name: string, parameter: Parameter, value: string): unknown {
  if (lists.has(name)) return splitTags(value);
  if (typeof parameter.format === 'object' && !unparsed.has(name)) {
    const format = parameter.format;
    const parsed = parsePropertyString(format, value);
    if (typeof parsed === 'string') return value;
    return Object.fromEntries(Object.entries(parsed).map(([key, part]) => [key, typed(key, format[key]!, part)]));
  }
  if (name === 'console' && value === 'applet') return 'html5';
  // Kept as comments of the file, line by line.
  if (name === 'description' && value !== '') return `${value.replace(/\n$/, '')}\n`;
  return parameter.type === 'string' ? value : Number(value);
}

export const datacenterHandlers: Readonly<Record<string, Handler>> = {
  'GET /cluster/options': ({ cluster: { world }, who }) => {
    // Without the right to look at the cluster there is left what the interface needs.
    const all = has(world, who, '/', 'Sys.Audit');
    const shown = Object.entries({ ...always, ...world.datacenter })
      .filter(([name]) => datacenterOptions[name] !== undefined)
      .filter(([name]) => all || name === 'console' || name === 'tag-style')
      .map(([name, value]) => [name, typed(name, datacenterOptions[name]!, value)] as const);
    return { ...Object.fromEntries(shown), 'allowed-tags': allowedTags(world, who) };
  },
  'PUT /cluster/options': ({ cluster, node, args }) => {
    cluster.requireClusterLock(node, 'file-datacenter_cfg');
    const { datacenter } = cluster.world;
    for (const name of Object.keys(datacenterOptions)) if (args.has(name)) datacenter[name] = args.need(name);
    for (const name of args.list('delete')) if (!name.startsWith('sim-')) Reflect.deleteProperty(datacenter, name);
    return null;
  },
};
