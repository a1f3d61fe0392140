import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { formatFirewall, nodeFirewall, parseFirewall } from './firewall.ts';
import type { Firewall } from './firewall.ts';

/** Every `.fw` file of a world, by its name below the folder. */
export async function readFirewalls(folder: string, nodes: Iterable<string>): Promise<Map<string, Firewall>> {
  const listed = (await readdir(join(folder, 'firewall')).catch((): string[] => [])).filter((file) =>
    file.endsWith('.fw'),
  );
  const firewalls = new Map<string, Firewall>();
  for (const name of [...listed.sort().map((file) => `firewall/${file}`), ...[...nodes].map(nodeFirewall)]) {
    const text = await readFile(join(folder, name), 'utf8').catch(() => undefined);
    if (text !== undefined) firewalls.set(name, parseFirewall(text));
  }
  return firewalls;
}

/** Writes them where `readFirewalls` looks; files of guests that are gone go too. */
export async function writeFirewalls(folder: string, firewalls: ReadonlyMap<string, Firewall>): Promise<void> {
  await rm(join(folder, 'firewall'), { recursive: true, force: true });
  for (const [name, firewall] of firewalls) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), formatFirewall(firewall));
  }
}
