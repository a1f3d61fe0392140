import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Simulator } from '../../../src/sim/simulator.ts';
import { ask, virtualCluster } from './client.ts';

/* What is refused before a worker is forked, and in which order it is found out: on the recordings' world. */

const guest = (vmid: number, path = ''): string => `/nodes/pve1/qemu/${vmid}${path}`;
const rootOnly = 'Only root may use this option.';

type Form = Record<string, string | number>;
type Refused = readonly [string, string, Form, number, string | Record<string, string>];
const missing = (vmid: number): string => `Configuration file 'nodes/pve1/qemu-server/${vmid}.conf' does not exist`;
const unfound = (vmid: number): string => `unable to find configuration file for VM ${vmid} on node 'pve1'`;

const asRoot: readonly Refused[] = [
  // What only root in person may say; the first in the order of the API is named.
  ['POST', guest(100, '/status/start'), { skiplock: 1, stateuri: 'tcp' }, 400, { stateuri: rootOnly }],
  ['POST', guest(100, '/status/start'), { 'with-conntrack-state': 1 }, 400, { 'with-conntrack-state': rootOnly }],
  ['POST', guest(100, '/status/stop'), { keepActive: 1 }, 400, { keepActive: rootOnly }],
  ['POST', guest(100, '/status/shutdown'), { keepActive: 1, skiplock: 1 }, 400, { skiplock: rootOnly }],
  ['POST', guest(100, '/status/resume'), { nocheck: 1 }, 400, { nocheck: rootOnly }],
  ['POST', guest(100, '/migrate'), { target: 'pve3', migration_type: 'secure' }, 400, { migration_type: rootOnly }],
  // Guests that are not there: some calls look for the file, others for the process first.
  ['GET', guest(999, '/status'), {}, 500, missing(999)],
  ['GET', guest(999, '/feature?feature=clone'), {}, 500, unfound(999)],
  ['POST', guest(999, '/snapshot'), { snapname: 's1' }, 500, missing(999)],
  [
    'POST',
    guest(999, '/snapshot'),
    { snapname: 'Pending' },
    500,
    "unable to use snapshot name 'pending' (reserved name)",
  ],
  ['POST', guest(999, '/clone'), { newid: 300, pool: 'nope' }, 500, unfound(999)],
  ['POST', guest(999, '/status/suspend'), {}, 500, unfound(999)],
  ['POST', guest(999, '/template'), {}, 500, missing(999)],
  ['POST', guest(200, '/template'), {}, 500, missing(200)],
  ['DELETE', guest(999), {}, 500, missing(999)],
  ['PUT', guest(999, '/config'), { cores: 2 }, 500, missing(999)],
  ['PUT', guest(101, '/config'), { cores: 2 }, 500, 'VM is locked (backup)'],
  // Disks and what they are moved to.
  ['POST', guest(100, '/move_disk'), { disk: 'scsi0', storage: 'nope' }, 500, "storage 'nope' does not exist"],
  [
    'POST',
    guest(100, '/move_disk'),
    { disk: 'scsi0', 'target-vmid': 102, digest: '0'.repeat(40) },
    500,
    'VM 100: detected modified configuration - file changed by other user? Try again.',
  ],
  ['PUT', guest(100, '/config'), { virtio1: 'none,media=cdrom' }, 400, { virtio1: 'unable to parse drive options' }],
  [
    'PUT',
    guest(100, '/config'),
    { scsi3: 'tank:4,import-from=tank:100/vm-100-disk-0.qcow2' },
    400,
    { scsi3: "'import-from' requires special syntax - use <storage ID>:0,import-from=<source>" },
  ],
  [
    'PUT',
    guest(100, '/config'),
    { cdrom: 'none', ide2: 'none' },
    400,
    { cdrom: "option conflicts with parameter 'ide2'" },
  ],
  [
    'PUT',
    guest(100, '/config'),
    { delete: 'cores', cores: 2 },
    400,
    { delete: "you can't use '-cores' and -delete cores' at the same time" },
  ],
  // Guests that are made.
  ['POST', '/nodes/pve1/qemu', { vmid: 200 }, 500, "unable to create VM 200 - VM 200 already exists on node 'pve2'"],
  [
    'POST',
    '/nodes/pve1/qemu',
    { vmid: 300, pool: 'nope' },
    403,
    "Permission check failed (pool 'nope' does not exist)",
  ],
  ['POST', '/nodes/pve1/qemu', { vmid: 300, scsi0: 'nope:4' }, 500, "storage 'nope' does not exist"],
  [
    'POST',
    '/nodes/pve1/qemu',
    { vmid: 300, serial0: '/dev/ttyS0' },
    500,
    "only root can set 'serial0' config for real devices",
  ],
  [
    'POST',
    '/nodes/pve1/qemu',
    { vmid: 300, unique: 1 },
    400,
    { archive: "missing property - 'unique' requires this property" },
  ],
  // Storages.
  ['GET', '/nodes/pve1/storage?storage=nope', {}, 400, { storage: 'No such storage.' }],
  ['GET', '/nodes/pve1/storage/nope/status', {}, 400, { storage: 'No such storage.' }],
  ['GET', '/nodes/pve1/storage/nope/content', {}, 500, "storage 'nope' does not exist"],
  // Everything else there is no method for.
  ['GET', '/nodes/pve1/lxc', {}, 501, "Method 'GET /nodes/pve1/lxc' not implemented"],
  ['POST', guest(100, '/status/explode'), {}, 501, "Method 'POST /nodes/pve1/qemu/100/status/explode' not implemented"],
];

const asLimited: readonly Refused[] = [
  // Rights come before parameters, and what is missing in a path is a dash.
  ['GET', guest(100, '/status/current'), {}, 403, 'Permission check failed (/vms/100, VM.Audit)'],
  ['GET', guest(999, '/config?current=maybe'), {}, 403, 'Permission check failed (/vms/999, VM.Audit)'],
  ['GET', '/nodes/pve1/qemu/abc/config', {}, 403, 'Permission check failed (/vms/abc, VM.Audit)'],
  ['POST', guest(9000, '/clone'), {}, 403, 'Permission check failed'],
  ['POST', '/pools', {}, 403, 'Permission check failed (/pool/-, Pool.Allocate)'],
  [
    'PUT',
    guest(100, '/config'),
    { cores: 'x' },
    403,
    /VM\.Config\.Disk\|VM\.Config\.CDROM\|.*\|VM\.Config\.Cloudinit\)$/.source,
  ],
  ['GET', '/cluster/status', {}, 403, 'Permission check failed (/, Sys.Audit)'],
  ['POST', '/cluster/ha/resources', { sid: 'vm:9000' }, 403, 'Permission check failed (/, Sys.Console)'],
  ['POST', '/nodes/pve1/qemu', { vmid: 300 }, 403, 'Permission check failed'],
  [
    'POST',
    '/nodes/pve1/qemu',
    { vmid: 300, pool: 'shadows', 'ha-managed': 1 },
    403,
    'Permission check failed (/, Sys.Console)',
  ],
  [
    'POST',
    '/nodes/pve1/qemu',
    { vmid: 300, pool: 'shadows', net0: 'virtio,bridge=vmbr0' },
    403,
    'Permission check failed (/sdn/zones/localnetwork/vmbr0, SDN.Use)',
  ],
  ['PUT', guest(9000, '/config'), { startup: 'order=1' }, 403, 'Permission check failed (/, Sys.Modify)'],
  [
    'PUT',
    guest(9000, '/config'),
    { watchdog: 'i6300esb' },
    403,
    'Permission check failed (/vms/9000, VM.Config.HWType)',
  ],
  [
    'PUT',
    guest(9000, '/config'),
    { virtiofs0: 'data' },
    403,
    'Permission check failed (/mapping/dir/data, Mapping.Use)',
  ],
  // A card that goes away leaves a bridge one may not use.
  [
    'PUT',
    guest(9000, '/config'),
    { delete: 'net0' },
    403,
    'Permission check failed (/sdn/zones/localnetwork/vmbr0, SDN.Use)',
  ],
  ['GET', '/access/permissions?userid=root@pam', {}, 403, 'Permission check failed (/access, Sys.Audit)'],
  ['POST', '/cluster/bulk-action/guest/start', {}, 403, 'Permission check failed (/, VM.PowerMgmt)'],
  ['POST', '/cluster/bulk-action/guest/start', { vms: 100 }, 403, 'Permission check failed (/vms/100, VM.PowerMgmt)'],
];

let sim: Simulator;
beforeEach(async () => {
  sim = await virtualCluster();
});
afterEach(() => sim.close());

async function refused(who: string, [method, path, form, status, why]: Refused): Promise<void> {
  const token = sim.tokens.find(({ id }) => id.startsWith(who))!;
  const answer = await ask(sim, method, path, method === 'GET' || method === 'DELETE' ? undefined : form, token);
  expect(answer).toMatchObject({
    status,
    ...(typeof why === 'string'
      ? { reason: why.endsWith('$') ? expect.stringMatching(new RegExp(why)) : why }
      : { reason: 'Parameter verification failed.', errors: why }),
  });
}

describe('to root with a token', () => {
  test.each(asRoot)('%s %s %j', (...row) => refused('root@pam!', row));
});
describe('to somebody with few rights', () => {
  test.each(asLimited)('%s %s %j', (...row) => refused('shadow@pve!', row));
});
