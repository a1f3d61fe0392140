import type { ContactFlags } from '../inventory/contact-file.ts';
import { Ending, exitCodes } from './exit.ts';

/** Where a first contact finds the cluster and its name server. Secrets are files. */
export const sourceOptions = [
  ['-f, --file <file>', 'an inventory, or a file with its clusters: and dns: only'],
  ['--endpoint <url>', 'https://pve1.example.com:8006; repeatable'],
  ['--token-file <file>', 'file that holds user@realm!name=secret'],
  ['--fingerprint <sha256>', 'of the certificate, AA:BB:...'],
  ['--ca-file <file>', 'CA of the cluster instead of a fingerprint'],
  ['--vmids <range>', 'VMIDs that only Umbra will give out: 9000-9099'],
  ['--addresses <range>', 'addresses that only Umbra will give out: 10.0.0.100-149/24'],
  ['--gateway <address>', 'default gateway of these addresses'],
  ['--pool <pool>', "resource pool of Umbra's shadows"],
  ['--storage <storage>', "storage for shadows' disks"],
  ['--name-server <host>', 'takes updates of the zone; repeatable'],
  ['--key-file <file>', 'file with the TSIG key of the zone'],
] as const;

export type SourceOptions = {
  file?: string;
  endpoint: string[];
  tokenFile?: string;
  fingerprint?: string;
  caFile?: string;
  vmids?: string;
  addresses?: string;
  gateway?: string;
  pool?: string;
  storage?: string;
  nameServer: string[];
  keyFile?: string;
};

/** @returns undefined when none of the flags was given. @throws Ending that names all that are missing */
export function flagsOf(options: SourceOptions & { cluster: string; zone: string[] }): ContactFlags | undefined {
  const { tokenFile, vmids, addresses, keyFile, endpoint, nameServer } = options;
  const [zone] = options.zone;
  const { fingerprint, caFile, gateway, pool, storage } = options;
  const anything = [
    tokenFile,
    vmids,
    addresses,
    keyFile,
    fingerprint,
    caFile,
    gateway,
    pool,
    storage,
    ...endpoint,
    ...nameServer,
  ];
  if (anything.every((each) => each === undefined)) return undefined;
  if (
    tokenFile === undefined ||
    vmids === undefined ||
    addresses === undefined ||
    keyFile === undefined ||
    zone === undefined ||
    endpoint.length === 0 ||
    nameServer.length === 0
  ) {
    const needed = {
      '--endpoint': endpoint[0],
      '--token-file': tokenFile,
      '--vmids': vmids,
      '--addresses': addresses,
      '--zone': zone,
      '--name-server': nameServer[0],
      '--key-file': keyFile,
    };
    const missing = Object.entries(needed).flatMap(([flag, value]) => (value === undefined ? [flag] : []));
    throw new Ending(
      exitCodes.usage,
      `without -f these are needed too: ${missing.join(', ')}. Which VMIDs and addresses are free for shadows nobody can see from outside`,
    );
  }
  if (options.zone.length > 1)
    throw new Ending(exitCodes.usage, 'flags name one zone; write several into a file and give it by -f');
  const optional = Object.entries({ fingerprint, caFile, gateway, pool, storage }).filter(
    ([, value]) => value !== undefined,
  );
  return {
    ...{
      cluster: options.cluster,
      endpoints: endpoint,
      tokenFile,
      vmids,
      addresses,
      zone,
      nameServers: nameServer,
      keyFile,
    },
    ...(Object.fromEntries(optional) as Pick<ContactFlags, 'fingerprint' | 'caFile' | 'gateway' | 'pool' | 'storage'>),
  };
}

/** Collects a flag that may be given several times. */
export function several(value: string, before: readonly string[]): string[] {
  return [...before, value];
}
