import type { Cluster } from '../cluster/cluster.ts';
import { parseCard } from '../cluster/drive.ts';
import type { Fate, Packet } from '../cluster/firewall.ts';
import type { Machine } from './machine.ts';

/** Whether the cable of a guest's first card is out: by its configuration, or by a word to QEMU's monitor. */
export const isUnplugged = (machine: Machine): boolean =>
  machine.linksDown.has('net0') || parseCard(machine.options['net0'] ?? '')?.rest['link_down'] === '1';

/** What becomes of a new connection between a guest and the world. */
export const fateOf = (cluster: Cluster, machine: Machine, packet: Packet): Fate =>
  isUnplugged(machine) ? 'drop' : cluster.firewalls.fateOf(machine, packet);
