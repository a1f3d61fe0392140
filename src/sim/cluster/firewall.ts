import { BlockList, isIP, isIPv6 } from 'node:net';
import { macros, services } from '../api/firewall-words.ts';
import type { Machine } from '../guests/machine.ts';
import { datacenterFirewall, emptyFirewall, guestFirewall } from '../world/firewall.ts';
import type { Firewall, FirewallRule } from '../world/firewall.ts';
import type { World } from '../world/world.ts';
import { parseCard } from './drive.ts';

/** What becomes of a packet: it passes, is lost, or is answered with a refusal. */
export type Fate = 'accept' | 'drop' | 'reject';

/** The first packet of a connection: to a guest, or from it. */
export type Packet = { readonly way: 'in' | 'out'; readonly port: number; readonly peer: string };

/** A file as it is, or one that says nothing. */
export const firewallOf = (world: World, name: string): Firewall => world.firewalls.get(name) ?? emptyFirewall();

/**
 * What the firewalls of the nodes do. They read the files every ten seconds: a rule that is written now holds some
 * seconds later. A guest is touched only when the datacenter's firewall is on, its own is on, and its card has
 * `firewall=1`. Connections that stand when a rule comes are left alone, as connection tracking does.
 */
export class Firewalls {
  readonly #world: World;
  #applied = new Map<string, Firewall>();

  constructor(world: World) {
    this.#world = world;
  }

  /** The files as they are now take effect. */
  apply(): void {
    this.#applied = structuredClone(this.#world.firewalls);
  }

  fateOf(machine: Machine, packet: Packet): Fate {
    const isOn = Number(this.#applied.get(datacenterFirewall)?.options['enable'] ?? 0) > 0;
    const own = this.#applied.get(guestFirewall(machine.vmid));
    const card = parseCard(machine.options['net0'] ?? '');
    if (!isOn || own?.options['enable'] !== '1' || card?.rest['firewall'] !== '1') return 'accept';
    const rule = own.rules.find((one) => this.#matches(one, packet, own));
    const usual = packet.way === 'in' ? 'DROP' : 'ACCEPT';
    const fate = rule?.['action'] ?? own.options[`policy_${packet.way}`] ?? usual;
    return fate === 'ACCEPT' ? 'accept' : fate === 'REJECT' ? 'reject' : 'drop';
  }

  #matches(rule: FirewallRule, { way, port, peer }: Packet, own: Firewall): boolean {
    if (rule['enable'] === '0' || rule['type'] !== way) return false;
    if (rule['iface'] !== undefined && rule['iface'] !== 'net0') return false;
    if (!['tcp', '6', undefined].includes(rule['proto'])) return false;
    if (rule['macro'] !== undefined && macros[rule['macro']]?.includes(port) !== true) return false;
    if (rule['dport'] !== undefined && !coversPort(rule['dport'], port)) return false;
    // Clients choose their port anew each time: a rule for one source port is a rule for somebody else.
    if (rule['sport'] !== undefined) return false;
    const address = way === 'in' ? rule['source'] : rule['dest'];
    if (address === undefined) return true;
    return isIP(peer) !== 0 && this.#addresses(address, own).check(peer, isIPv6(peer) ? 'ipv6' : 'ipv4');
  }

  /** The addresses that a set, an alias or a list stands for; the guest's own come before the datacenter's. */
  #addresses(spec: string, own: Firewall): BlockList {
    const known = [own, this.#applied.get(datacenterFirewall) ?? emptyFirewall()];
    const name = spec.replace(/^\+/, '').replace(/^(?:dc|guest)\//, '');
    const set = spec.startsWith('+') ? known.find(({ sets }) => sets.has(name))?.sets.get(name) : undefined;
    const alias = known.find(({ aliases }) => aliases.has(name.toLowerCase()))?.aliases.get(name.toLowerCase());
    const listed =
      set?.addresses.filter(({ nomatch }) => !nomatch).map(({ cidr }) => cidr) ??
      alias?.cidr.split(',') ??
      (spec.startsWith('+') ? [] : spec.split(','));
    const block = new BlockList();
    for (const one of listed) {
      const family = isIPv6(one.split(/[/-]/)[0]!) ? 'ipv6' : 'ipv4';
      const [, network, prefix] = /^([^/]+)\/(\d+)$/.exec(one) ?? [];
      const [, from, to] = /^([^-]+)-([^-]+)$/.exec(one) ?? [];
      if (network !== undefined) block.addSubnet(network, Number(prefix), family);
      else if (from !== undefined) block.addRange(from, to!, family);
      else block.addAddress(one, family);
    }
    return block;
  }
}

const coversPort = (spec: string, port: number): boolean =>
  spec.split(',').some((part) => {
    const [, from, to] = /^(\d+)(?::(\d+))?$/.exec(part) ?? [];
    if (from === undefined) return services[part] === port;
    return Number(from) <= port && port <= Number(to ?? from);
  });
