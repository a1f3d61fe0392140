import { expect, test } from '@jest/globals';
import { resolve } from 'node:path';
import { conformance } from '../../../src/sim/conformance.ts';

const fixtures = resolve(import.meta.dirname, '../../fixtures/proxmox');

/** Steps that do not match yet: a name that is missing here fails, and so does one that matches by now. */
const stillMissing: Readonly<Record<string, readonly string[]>> = {
  transcripts: [],
  'transcripts-2': [
    'nodes: network bridges',
    'nodes: network iface',
    'nodes: index',
    'nodes: tasks limited',
    'nodes: hosts limited',
    'cluster: index',
    'cluster: options set limited',
    'cluster: options tags',
    'cluster: options registered',
    'cluster: tag registered refused to limited',
    'cluster: options delete',
    'cluster: config nodes',
    'storage: list',
    'storage: list limited',
    'storage: content images of vm',
    'storage: content limited all',
    'storage: content iso',
    'storage: content snippets limited',
    'storage: volume',
    'storage: volume missing',
    'storage: allocate',
    'storage: allocate bad name',
    'storage: allocate limited absent vm',
    'storage: delete volume limited',
    'storage: delete volume',
    'storage: delete volume again',
    'storage: download-url limited',
    'storage: create limited',
    'storage: create',
    'storage: create dup',
    'storage: disable',
    'storage: allocate on disabled',
    'storage: remove',
    'no quorum: options',
  ],
};

test.each([
  ['transcripts', 'world', 97],
  ['transcripts-2', 'world-2', 237],
])('%s of the real API is matched in every step that is authoritative', async (recording, world, steps) => {
  const score = await conformance(`${fixtures}/${recording}.json`, `${fixtures}/${world}`);
  expect(score.missed.map(({ name }) => name)).toEqual(stillMissing[recording]);
  expect(score.of).toBe(steps);
});
