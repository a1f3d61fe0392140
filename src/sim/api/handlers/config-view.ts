import { isCloudInitOption } from '../../cluster/pending.ts';
import { digestOf } from '../../world/guest-config.ts';
import type { Options } from '../../world/guest-config.ts';
import { dumpCloudInit } from './cloud-init.ts';
import { guestOptions } from '../guest-options.ts';
import { definitionOf } from '../parameters.ts';
import { badParameter, failed } from '../refusal.ts';
import type { Call, Handler } from '../operation.ts';

const vmidOf = (call: Call): number => Number(call.args.need('vmid'));

/** Options a file may hold that no call may set; they show like any other. */
const kept = new Set([
  'parent',
  'snaptime',
  'vmstate',
  'snapstate',
  'runningmachine',
  'runningcpu',
  'meta',
  'running-nets-host-mtu',
]);
export const isOption = (option: string): boolean =>
  definitionOf(guestOptions, option) !== undefined || kept.has(option);

/** An option as JSON shows it: numbers and booleans as numbers, property strings as text. */
function typed(key: string, value: string): string | number {
  const type = definitionOf(guestOptions, key)?.type;
  if (key === 'snaptime') return Number(value);
  return type === 'integer' || type === 'boolean' ? Number(value) : value;
}

const shown = (key: string, value: string): string | number =>
  key === 'cipassword' ? '**********' : typed(key, value);

/** Options as JSON shows them. */
export const show = (options: Options): Record<string, unknown> =>
  Object.fromEntries(Object.entries(options).map(([key, value]) => [key, shown(key, value)]));

function getConfig(call: Call): unknown {
  const { args } = call;
  const snapshot = args.text('snapshot');
  if (snapshot !== undefined && args.flag('current')) {
    const text = "cannot use 'snapshot' parameter with 'current'";
    throw badParameter({ snapshot: text, current: text });
  }
  const { config } = call.cluster.load(call.node, vmidOf(call));
  if (snapshot !== undefined) {
    const options = config.snapshots.get(snapshot);
    if (!options) throw failed(`snapshot '${snapshot}' does not exist`);
    return { ...show(options), digest: digestOf(config) };
  }
  const options = { ...config.current };
  if (!args.flag('current')) {
    Object.assign(options, config.pending);
    // What is zero is shown although it goes away.
    for (const key of config.pendingDelete.keys())
      if (options[key] !== '0' && options[key] !== '') Reflect.deleteProperty(options, key);
  }
  return { ...show(options), digest: digestOf(config) };
}

function getPending(call: Call): object[] {
  const { config } = call.cluster.load(call.node, vmidOf(call));
  const rows: object[] = [];
  for (const key of Object.keys(config.current).sort()) {
    const force = config.pendingDelete.get(key);
    rows.push({
      key,
      value: shown(key, config.current[key]!),
      ...(config.pending[key] === undefined ? {} : { pending: shown(key, config.pending[key]) }),
      ...(force === undefined ? {} : { delete: force ? 2 : 1 }),
    });
  }
  for (const key of Object.keys(config.pending).sort()) {
    if (config.current[key] === undefined) rows.push({ key, pending: shown(key, config.pending[key]!) });
  }
  return [...rows, { key: 'digest', value: digestOf(config) }];
}

/** The options cloud-init reads; what its image does not say yet is pending. */
function getCloudInit(call: Call): object[] {
  const { config } = call.cluster.load(call.node, vmidOf(call));
  const { said = {}, added = new Set<string>() } = config.cloudInit ?? {};
  const of = (key: string): string | number => shown(key, config.current[key] ?? '');
  const rows: object[] = [...added].map((key) => ({ key, pending: of(key) }));
  for (const key of Object.keys(config.current).filter(
    (one) => isCloudInitOption(one) && !one.startsWith('ipconfig'),
  )) {
    if (added.has(key)) continue;
    rows.push(
      said[key] === undefined ? { key, value: of(key) } : { key, value: shown(key, said[key]), pending: of(key) },
    );
  }
  for (const key of Object.keys(said)) if (config.current[key] === undefined) rows.push({ key, delete: 1 });
  return rows;
}

const guest = '/nodes/{node}/qemu/{vmid}';

export const configViewHandlers: Readonly<Record<string, Handler>> = {
  [`GET ${guest}/config`]: getConfig,
  [`GET ${guest}/pending`]: getPending,
  [`GET ${guest}/cloudinit`]: getCloudInit,
  [`GET ${guest}/cloudinit/dump`]: dumpCloudInit,
};
