import { freePort } from './ports.ts';

/** What an operator would expect to find there; the next free port is taken where one is busy. */
const preferred = {
  api: 8080,
  temporal: 7233,
  temporalUi: 8233,
  temporalMetrics: 7243,
  postgres: 5433,
  proxmox: 8006,
  dns: 5300,
  dnstap: 6000,
};

export type DevPorts = { readonly [Name in keyof typeof preferred]: number };

/** @param api another one than 8080 for dashboard and API */
export async function choosePorts(api: number | undefined, print: (line: string) => void): Promise<DevPorts> {
  const taken = new Set<number>();
  const choose = async (name: keyof DevPorts, wanted = preferred[name]): Promise<number> => {
    const free = await freePort(wanted, taken);
    if (free !== wanted) print(`  port ${wanted} is busy: ${name} takes ${free}`);
    taken.add(free);
    return free;
  };
  return {
    api: await choose('api', api),
    temporal: await choose('temporal'),
    temporalUi: await choose('temporalUi'),
    postgres: await choose('postgres'),
    proxmox: await choose('proxmox'),
    dns: await choose('dns'),
    dnstap: await choose('dnstap'),
    temporalMetrics: await choose('temporalMetrics'),
  };
}
