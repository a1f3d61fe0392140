import type { IdentityPolicy } from '../../domain/policy.ts';
import type { ShadowSpec } from '../../ports/hypervisor.ts';
import type { ConfigChange } from './calls.ts';
import type { CardChange } from './cards.ts';
import { cardsOf, cardWith, isLinkDown, macOf } from './cards.ts';
import type { GuestConfig } from './guest-config.ts';
import { properties, propertyString, vcpus } from './guest-config.ts';
import { describedAs, isUnconfigured } from './marker.ts';
import { remaining } from './writing.ts';

/*
 * What makes a clone a shadow: a copy of its source in everything but its identity and its size. Cloning gives new MAC
 * addresses and a new BIOS UUID and keeps everything else, also what must not exist twice: static addresses, start at
 * boot, protection. Two writes make it: the first sets all of it and takes the links down, the last one, when nothing is
 * left to do, raises them and says in the marker that it is configured.
 */

export const defaultIdentity: IdentityPolicy = {
  hostname: 'own',
  mac: 'new',
  machineId: 'new',
  sshHostKeys: 'new',
};

/**
 * What is still to be set in the clone's configuration; undefined when it is what the spec asks for. One that is not
 * configured yet stays marked so, with its links down.
 */
export function shadowConfig(spec: ShadowSpec, config: GuestConfig, source?: GuestConfig): ConfigChange | undefined {
  const identity = { ...defaultIdentity, ...spec.identity };
  const fresh = isUnconfigured(config);
  const set: Record<string, string | number> = {
    name: identity.hostname === 'same' ? (source?.['name'] ?? config['name'] ?? spec.name) : spec.name,
    memory: spec.memoryMiB,
    ipconfig0: addressing(spec),
    onboot: 0,
    protection: 0,
    description: describedAs(fresh ? { ...spec.marker, unconfigured: true } : spec.marker, config['description']),
    ...cardsWith(config, (slot) => ({
      ...(fresh ? { linkDown: true } : {}),
      // The source's MAC addresses: only for a source that never runs again beside the shadow.
      ...(identity.mac === 'same' ? macIn(source?.[slot]) : {}),
    })),
  };
  const unset = inheritedAddresses(config);

  if (vcpus(config) !== spec.cores) {
    set['cores'] = spec.cores;
    if (config['sockets'] !== undefined && config['sockets'] !== '1') set['sockets'] = 1;
  }
  if (config['vcpus'] !== undefined && Number(config['vcpus']) > spec.cores) unset.push('vcpus');
  // Proxmox refuses a balloon larger than the memory.
  if (Number(config['balloon'] ?? 0) > spec.memoryMiB) set['balloon'] = spec.memoryMiB;
  if (spec.heartbeatSerial !== undefined) set['smbios1'] = withSerial(config['smbios1'] ?? '', spec.heartbeatSerial);
  const snippet = identity.vendorSnippet;
  if (snippet !== undefined) set['cicustom'] = propertyString({ ...named(config['cicustom'] ?? ''), vendor: snippet });

  return remaining(config, set, unset, sameText);
}

/** The last write of all: the links as the source has them, and the marker of a clone that is its own. */
export function configuredAs(spec: ShadowSpec, config: GuestConfig, source: GuestConfig): ConfigChange | undefined {
  const links = cardsWith(config, (slot) => ({ linkDown: isLinkDown(source[slot] ?? '') }));
  const description = describedAs(spec.marker, config['description']);
  return remaining(config, { description, ...links }, [], sameText);
}

/** The cards that change; a card that stays as it is is not written. */
function cardsWith(config: GuestConfig, change: (slot: string) => CardChange): Record<string, string> {
  return Object.fromEntries(
    Object.entries(cardsOf(config))
      .map(([slot, card]) => [slot, cardWith(card, change(slot))] as const)
      .filter(([slot, card]) => card !== config[slot]),
  );
}

function macIn(card: string | undefined): CardChange {
  const mac = card === undefined ? undefined : macOf(card);
  return mac === undefined ? {} : { mac };
}

/** `ip=10.0.0.11/24,gw=10.0.0.1[,ip6=...]`. */
function addressing(spec: ShadowSpec): string {
  const parts = [`ip=${spec.address}`];
  if (spec.address6 !== undefined) parts.push(spec.address6.includes('=') ? spec.address6 : `ip6=${spec.address6}`);
  return parts.join(',');
}

/** Static addresses of further cards would exist twice in the network as soon as the clone starts. */
function inheritedAddresses(config: GuestConfig): string[] {
  return Object.entries(config)
    .filter(
      ([key, text]) =>
        /^ipconfig[1-9]\d*$/.test(key) && /(^|,)ip6?=[0-9a-f]/i.test(text) && !/ip6?=(dhcp|auto)/.test(text),
    )
    .map(([key]) => key);
}

/** The values of a property string that have a name: an option that is not there has none. */
function named(text: string): Record<string, string> {
  const values = properties(text);
  delete values[''];
  return values;
}

/** The guest reads its instance's id and token from the SMBIOS serial. All SMBIOS texts are encoded together or not at all. */
function withSerial(smbios: string, serial: string): string {
  const values = named(smbios);
  const encodedBefore = values['base64'] === '1';
  const kept = Object.entries(values).filter(([key]) => key !== 'base64' && key !== 'serial');
  const encoded = kept.map(([key, value]): [string, string] => [
    key,
    key === 'uuid' || encodedBefore ? value : base64(value),
  ]);
  return propertyString({ ...Object.fromEntries(encoded), serial: base64(serial), base64: '1' });
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}

/** Property strings are equal in any order; descriptions up to white space at the end. */
function sameText(key: string, stored: string, wanted: string): boolean {
  if (key === 'description') return stored.trim() === wanted.trim();
  if (key === 'memory') return (properties(stored)['current'] ?? stored) === wanted;
  if (!/^(ipconfig\d+|smbios1|net\d+|cicustom)$/.test(key)) return false;
  const sorted = (text: string): string => Object.entries(properties(text)).sort().join(';');
  return sorted(stored) === sorted(wanted);
}
