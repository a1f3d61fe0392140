import { grantsFor } from '../../src/providers/proxmox/privileges.ts';
import { demoWorld } from '../../src/sim/world/demo.ts';
import type { DemoOptions } from '../../src/sim/world/demo.ts';
import type { World } from '../../src/sim/world/world.ts';

export type DocumentedOptions = Omit<DemoOptions, 'grants'> & {
  /** HA manages a primary: then the manual grants one right more. */
  readonly usesHa?: boolean;
};

/** A token that may do all a token may, for tests of Proxmox's own rules: Umbra never has one. */
export function withAdministrator(world: World): World {
  const id = 'root@pam!full';
  world.tokens.set(id, { id, expire: 0, privsep: false, secret: '99999999-8888-7777-6666-555555555555' });
  return world;
}

/** The demonstration's world with the rights of docs/proxmox.md and no others. */
export function documentedWorld({ usesHa = false, ...options }: DocumentedOptions = {}): ReturnType<typeof demoWorld> {
  return demoWorld({ ...options, grants: (ground) => grantsFor({ ...ground, usesHa }) });
}
