import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { WorldArchive } from './world.ts';

/* `archives/<volume>.conf` and `.fw`, beside the line of the volume in `volumes`: what a backup holds besides disks. */

/** Volumes have slashes and colons, files should not. */
const fileOf = (volid: string): string => encodeURIComponent(volid);

export async function readArchives(folder: string): Promise<Map<string, WorldArchive>> {
  const files = await readdir(join(folder, 'archives')).catch((): string[] => []);
  const read = (name: string): Promise<string> => readFile(join(folder, 'archives', name), 'utf8');
  const archives = new Map<string, WorldArchive>();
  for (const file of files.filter((name) => name.endsWith('.conf')).sort()) {
    const stem = file.slice(0, -'.conf'.length);
    const firewall = files.includes(`${stem}.fw`) ? { firewall: await read(`${stem}.fw`) } : {};
    archives.set(decodeURIComponent(stem), { config: await read(file), ...firewall });
  }
  return archives;
}

export async function writeArchives(folder: string, archives: ReadonlyMap<string, WorldArchive>): Promise<void> {
  await rm(join(folder, 'archives'), { recursive: true, force: true });
  if (archives.size === 0) return;
  await mkdir(join(folder, 'archives'), { recursive: true });
  for (const [volid, { config, firewall }] of archives) {
    await writeFile(join(folder, 'archives', `${fileOf(volid)}.conf`), config);
    if (firewall !== undefined) await writeFile(join(folder, 'archives', `${fileOf(volid)}.fw`), firewall);
  }
}
