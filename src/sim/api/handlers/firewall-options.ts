import { datacenterOptions, guestFirewallOptions } from '../firewall-operations.ts';
import type { Parameters } from '../parameters.ts';
import { badParameter } from '../refusal.ts';
import { Listing } from '../operation.ts';
import type { Call, Handler } from '../operation.ts';
import { changeFirewall, datacenter, digestOf, guest, node, readFirewall, requireDigest } from './firewall-file.ts';
import type { Place } from './firewall-file.ts';

/** Options as the API shows them: flags and numbers are numbers. */
function shown(options: Readonly<Record<string, string>>): Record<string, string | number> {
  return Object.fromEntries(
    Object.entries(options).map(([key, value]) => [key, /^\d+$/.test(value) ? Number(value) : value]),
  );
}

const read =
  (place: Place): Handler =>
  (call) => {
    const { options } = readFirewall(call, place);
    return { ...shown(options), digest: digestOf([options]) };
  };

const update =
  (place: Place, known: Parameters): Handler =>
  (call) =>
    changeFirewall(call, place, ({ options }) => {
      requireDigest(call, digestOf([options]));
      for (const name of call.args.list('delete')) {
        if (!(name in known)) throw badParameter({ delete: `no such option '${name}'` });
        Reflect.deleteProperty(options, name);
      }
      for (const name of Object.keys(known)) if (call.args.has(name)) options[name] = valueOf(call, place, name);
    });

/** The datacenter's firewall remembers since when it is on, when it is told more than 1. */
function valueOf(call: Call, place: Place, name: string): string {
  const value = call.args.need(name);
  const isInstant = place.of === 'cluster' && name === 'enable' && Number(value) > 1;
  return isInstant ? String(Math.floor(call.cluster.clock.now() / 1000)) : value;
}

const ofGuest = '/nodes/{node}/qemu/{vmid}/firewall';

export const firewallOptionHandlers: Readonly<Record<string, Handler>> = {
  'GET /cluster/firewall/options': read(datacenter),
  'PUT /cluster/firewall/options': update(datacenter, datacenterOptions),
  'GET /nodes/{node}/firewall/options': read(node),
  [`GET ${ofGuest}`]: () => ['rules', 'aliases', 'ipset', 'refs', 'options'].map((name) => ({ name })),
  [`GET ${ofGuest}/options`]: read(guest),
  [`PUT ${ofGuest}/options`]: update(guest, guestFirewallOptions),
  // Nothing is logged: no packet of a simulated guest passes a node.
  [`GET ${ofGuest}/log`]: () => new Listing([{ n: 1, t: 'no content' }], 1),
};
