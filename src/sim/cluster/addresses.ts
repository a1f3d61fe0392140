import type { World } from '../world/world.ts';

/** The network of the nodes among themselves. Nobody listens on it: each node's API has a port of its own on one address. */
const network = '10.77.0';
export const gateway = `${network}.254`;

export const addressOf = (world: World, node: string): string =>
  `${network}.${[...world.nodes.keys()].indexOf(node) + 1}`;

export const clusterName = (world: World): string => world.datacenter['sim-name'] ?? 'umbratest';

/** `/etc/hosts`, the same on every node. */
export const hostsFile = (world: World): string =>
  ['127.0.0.1 localhost', ...[...world.nodes.keys()].map((node) => `${addressOf(world, node)} ${node}`)]
    .map((line) => `${line}\n`)
    .join('');
