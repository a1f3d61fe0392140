import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { without } from '../without.ts';
import { readArchives, writeArchives } from './archive-files.ts';
import { formatUsers, readUsers } from './users-file.ts';
import { readFirewalls, writeFirewalls } from './firewall-files.ts';
import { formatGuestConfig, parseGuestConfig } from './guest-config.ts';
import type { GuestConfig } from './guest-config.ts';
import { emptyWorld, releases, usualNode, usualStorageBytes } from './world.ts';
import type { HaState, Release, World, WorldStorage } from './world.ts';

/**
 * A world is a folder: files as under `/etc/pve`, `nodes/<node>/state` (`on`, `off`), `volumes` (storage, volume,
 * bytes, and the node when it is not the owner's), and optionally `version` and `running` (one vmid a line).
 */
export async function loadWorld(folder: string): Promise<World> {
  const world = emptyWorld();
  const read = (name: string): Promise<string> => readFile(join(folder, name), 'utf8').catch(() => '');
  const nodes = await readdir(join(folder, 'nodes')).catch(() => {
    throw new Error(
      `${folder} is not a world: it has no folder "nodes". See docs/simulator-differences.md for the format.`,
    );
  });
  const running = new Set((await read('running')).split(/\s+/).filter(Boolean).map(Number));
  for (const node of nodes.sort()) {
    const state = (await read(`nodes/${node}/state`)).trim();
    const [, cpus, gib] = /cpus=(\d+) memory=(\d+)G/.exec(await read(`nodes/${node}/hardware`)) ?? [];
    world.nodes.set(node, {
      name: node,
      on: state !== 'off',
      cpus: cpus ? Number(cpus) : usualNode.cpus,
      memoryBytes: gib ? Number(gib) * 2 ** 30 : usualNode.memoryBytes,
    });
    for (const [vmid, config] of await readConfigs(join(folder, 'nodes', node, 'qemu-server'))) {
      world.guests.set(vmid, { vmid, node, config, running: running.has(vmid) });
    }
    for (const [vmid, config] of await readConfigs(join(folder, 'nodes', node, 'lxc'))) {
      world.containers.set(vmid, { node, config });
    }
  }
  const release = (await read('version')).trim() || '9.2';
  if (!releases.includes(release as Release)) {
    throw new Error(`${folder}/version says ${release}; the simulator knows ${releases.join(', ')}.`);
  }
  world.release = release as Release;
  for (const storage of parseStorages(await read('storage.cfg'))) world.storages.set(storage.id, storage);
  readUsers(world, lines(await read('user.cfg')));
  for (const line of lines(await read('priv/token.cfg'))) {
    const [id, secret] = line.split(/\s+/);
    const token = world.tokens.get(id!) ?? { id: id!, expire: 0, privsep: false, secret: '' };
    world.tokens.set(id!, { ...token, secret: secret ?? '' });
  }
  readVolumes(world, await read('volumes'));
  readHaResources(world, await read('ha/resources.cfg'));
  for (const { type, id, options } of parseSections(await read('ha/rules.cfg')))
    world.haRules.set(id, { type, options });
  for (const { type, id, options } of parseSections(await read('ha/groups.cfg')))
    world.haGroups.set(id, { type, options });
  for (const { id, options } of parseSections(await read('replication.cfg'))) world.replicationJobs.set(id, options);
  for (const { id, options } of parseSections(await read('jobs.cfg'))) world.backupJobs.set(id, options);
  world.firewalls = await readFirewalls(folder, world.nodes.keys());
  world.archives = await readArchives(folder);
  for (const line of lines(await read('datacenter.cfg'))) {
    const at = line.indexOf(':');
    if (at > 0) world.datacenter[line.slice(0, at)] = line.slice(at + 1).trim();
  }
  return world;
}

/** Every `<vmid>.conf` of a folder that may not be there. */
async function readConfigs(folder: string): Promise<[number, GuestConfig][]> {
  const files = (await readdir(folder).catch(() => [])).filter((file) => /^\d+\.conf$/.test(file));
  return Promise.all(
    files.map(async (file): Promise<[number, GuestConfig]> => {
      return [parseInt(file, 10), parseGuestConfig(await readFile(join(folder, file), 'utf8'))];
    }),
  );
}

const lines = (text: string): string[] =>
  text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'));

type Section = { type: string; id: string; options: Record<string, string> };

/** `type: id` heads and indented `key value` lines, the shape of storage.cfg and of the HA files. */
function parseSections(text: string): Section[] {
  const sections: Section[] = [];
  for (const line of lines(text)) {
    const head = /^([\w-]+):\s*(\S+)\s*$/.exec(line);
    const option = /^\s+([\w-]+)(?:\s+(.*?))?\s*$/.exec(line);
    if (head) sections.push({ type: head[1]!, id: head[2]!, options: {} });
    else if (option) sections.at(-1)!.options[option[1]!] = option[2] ?? '1';
  }
  return sections;
}

const parseStorages = (text: string): WorldStorage[] =>
  parseSections(text).map(({ type, id, options }) => ({
    type,
    id,
    options: without(options, 'sim-size'),
    totalBytes: options['sim-size'] ? Number(options['sim-size']) : usualStorageBytes,
  }));

function readVolumes(world: World, text: string): void {
  const firstOn = [...world.nodes.values()].find((node) => node.on)?.name ?? '';
  for (const line of lines(text)) {
    const [storage, name, bytes, node] = line.split(/\s+/);
    const owner = Number(/(?:vm|base)-(\d+)-/.exec(name!.split('/').at(-1)!)?.[1] ?? 0);
    world.volumes.push({
      storage: storage!,
      name: name!,
      bytes: Number(bytes),
      node: node ?? world.guests.get(owner)?.node ?? firstOn,
    });
  }
}

function readHaResources(world: World, text: string): void {
  for (const { type, id, options } of parseSections(text)) {
    world.ha.set(`${type}:${id}`, {
      ...(options['state'] === undefined ? {} : { state: options['state'] as HaState }),
      ...(options['group'] === undefined ? {} : { group: options['group'] }),
      ...(options['comment'] === undefined ? {} : { comment: options['comment'] }),
      ...(options['failback'] === undefined ? {} : { failback: options['failback'] === '1' }),
      ...(options['max_restart'] === undefined ? {} : { maxRestart: Number(options['max_restart']) }),
      ...(options['max_relocate'] === undefined ? {} : { maxRelocate: Number(options['max_relocate']) }),
    });
  }
}

const sections = (entries: Section[]): string =>
  entries
    .map(
      ({ type, id, options }) =>
        `${type}: ${id}\n${Object.entries(options)
          .map(([key, value]) => `\t${key} ${value}\n`)
          .join('')}\n`,
    )
    .join('');

/** Writes a world so that `loadWorld` reads the same one. What else is in the folder stays, old guests do not. */
export async function saveWorld(world: World, folder: string): Promise<void> {
  const write = async (name: string, text: string, mode = 0o644): Promise<void> => {
    await mkdir(join(folder, name, '..'), { recursive: true });
    await writeFile(join(folder, name), text, { mode });
  };
  for (const node of world.nodes.values()) {
    await rm(join(folder, 'nodes', node.name, 'qemu-server'), { recursive: true, force: true });
    await write(`nodes/${node.name}/state`, node.on ? 'on\n' : 'off\n');
    const gib = Math.round(node.memoryBytes / 2 ** 30);
    if (node.cpus !== usualNode.cpus || node.memoryBytes !== usualNode.memoryBytes) {
      await write(`nodes/${node.name}/hardware`, `cpus=${node.cpus} memory=${gib}G\n`);
    }
  }
  for (const guest of world.guests.values()) {
    await write(`nodes/${guest.node}/qemu-server/${guest.vmid}.conf`, formatGuestConfig(guest.config));
  }
  for (const [vmid, container] of world.containers) {
    await write(`nodes/${container.node}/lxc/${vmid}.conf`, formatGuestConfig(container.config));
  }
  await write('version', `${world.release}\n`);
  await write(
    'running',
    [...world.guests.values()]
      .filter((g) => g.running)
      .map((g) => `${g.vmid}\n`)
      .join(''),
  );
  await write(
    'storage.cfg',
    sections(
      [...world.storages.values()].map((storage) => ({
        type: storage.type,
        id: storage.id,
        options:
          storage.totalBytes === usualStorageBytes
            ? storage.options
            : { ...storage.options, 'sim-size': String(storage.totalBytes) },
      })),
    ),
  );
  await write('volumes', world.volumes.map((v) => `${v.storage} ${v.name} ${v.bytes} ${v.node}\n`).join(''));
  await write('user.cfg', formatUsers(world));
  await write('priv/token.cfg', [...world.tokens.values()].map((t) => `${t.id} ${t.secret}\n`).join(''), 0o600);
  await write(
    'datacenter.cfg',
    Object.entries(world.datacenter)
      .map(([key, value]) => `${key}: ${value}\n`)
      .join(''),
  );
  for (const [name, rules] of [
    ['rules', world.haRules],
    ['groups', world.haGroups],
  ] as const) {
    if (rules.size > 0) await write(`ha/${name}.cfg`, sections([...rules].map(([id, rule]) => ({ id, ...rule }))));
    else await rm(join(folder, `ha/${name}.cfg`), { force: true });
  }
  for (const [name, type, jobs] of [
    ['replication.cfg', 'local', world.replicationJobs],
    ['jobs.cfg', 'vzdump', world.backupJobs],
  ] as const) {
    if (jobs.size > 0) await write(name, sections([...jobs].map(([id, options]) => ({ type, id, options }))));
    else await rm(join(folder, name), { force: true });
  }
  await writeFirewalls(folder, world.firewalls);
  await writeArchives(folder, world.archives);
  await write(
    'ha/resources.cfg',
    sections(
      [...world.ha].map(([sid, resource]) => {
        const [type, id] = sid.split(':');
        const options: Record<string, string> = {};
        if (resource.state !== undefined) options['state'] = resource.state;
        if (resource.group !== undefined) options['group'] = resource.group;
        if (resource.comment !== undefined) options['comment'] = resource.comment;
        if (resource.failback !== undefined) options['failback'] = resource.failback ? '1' : '0';
        if (resource.maxRestart !== undefined) options['max_restart'] = String(resource.maxRestart);
        if (resource.maxRelocate !== undefined) options['max_relocate'] = String(resource.maxRelocate);
        return { type: type!, id: id!, options };
      }),
    ),
  );
}
