import { addressOf, agentEnabled, parseCard } from '../../cluster/drive.ts';
import { failed } from '../refusal.ts';
import type { Call, Handler } from '../operation.ts';
import { answersAgent } from './power.ts';

/** A guest that does not answer holds the caller, and one worker of the daemon, this long. */
const pingWaitMs = 3000;

/** The VM is running, wants an agent, and the agent answers: in the order the API finds out. */
async function requireAgent(call: Call): Promise<number> {
  const { cluster, node, args } = call;
  const vmid = Number(args.need('vmid'));
  const guest = cluster.load(node, vmid);
  if (!agentEnabled(guest.config.current)) throw failed('No QEMU guest agent configured');
  const machine = cluster.machines.get(vmid);
  if (!machine) throw failed(`VM ${vmid} is not running`);
  if (!answersAgent(call, vmid)) {
    if (machine.trouble === 'hang' || machine.qmp !== 'running') await cluster.clock.sleep(pingWaitMs);
    throw failed('QEMU guest agent is not running');
  }
  return vmid;
}

const ipv4 = (address: string, prefix: number): object => ({
  'ip-address': address,
  'ip-address-type': 'ipv4',
  prefix,
});

/** The loopback interface and one for each card, as the guest sees them. */
function interfaces(call: Call, vmid: number): object[] {
  const options = call.cluster.machines.get(vmid)!.options;
  const cards = Object.keys(options)
    .filter((key) => /^net\d+$/.test(key))
    .sort()
    .map((key) => {
      const n = Number(key.slice(3));
      const address = addressOf(options, n);
      const prefix = Number(/(?:^|,)ip=[0-9.]+\/(\d+)/.exec(options[`ipconfig${n}`] ?? '')?.[1] ?? 24);
      return {
        name: `eth${n}`,
        'hardware-address': (parseCard(options[key]!)?.macaddr ?? '00:00:00:00:00:00').toLowerCase(),
        'ip-addresses': address === undefined ? [] : [ipv4(address, prefix)],
        statistics: {
          'rx-bytes': 0,
          'tx-bytes': 0,
          'rx-packets': 0,
          'tx-packets': 0,
          'rx-errs': 0,
          'tx-errs': 0,
          'rx-dropped': 0,
          'tx-dropped': 0,
        },
      };
    });
  return [{ name: 'lo', 'hardware-address': '00:00:00:00:00:00', 'ip-addresses': [ipv4('127.0.0.1', 8)] }, ...cards];
}

/** Holds the file systems still, or lets them go; answers how many there are. */
function hold(call: Call, vmid: number, frozen: boolean): number {
  call.cluster.machines.get(vmid)!.frozen = frozen;
  return 1;
}

/** While the file systems stand still the agent does what writes nothing. */
const whileFrozen = ['ping', 'info', 'fsfreeze-status', 'fsfreeze-thaw'];

/** What each command of the agent answers. */
const commands: Record<string, (call: Call, vmid: number) => unknown> = {
  ping: () => ({}),
  info: () => ({
    version: '10.1.2',
    supported_commands: [{ name: 'guest-ping', enabled: true, 'success-response': true }],
  }),
  'network-get-interfaces': interfaces,
  'get-host-name': (call, vmid) => ({ 'host-name': call.cluster.machines.get(vmid)!.options['name'] ?? `VM${vmid}` }),
  'get-osinfo': () => ({
    id: 'debian',
    name: 'Debian GNU/Linux',
    'pretty-name': 'Debian GNU/Linux 13 (trixie)',
    'version-id': '13',
    'kernel-release': '6.12',
    machine: 'x86_64',
  }),
  'get-time': (call) => call.cluster.clock.now() * 1_000_000,
  'get-fsinfo': () => [
    {
      name: 'sda1',
      mountpoint: '/',
      type: 'ext4',
      'used-bytes': 2_000_000_000,
      'total-bytes': 8_000_000_000,
      disk: [],
    },
  ],
  'fsfreeze-status': (call, vmid) => (call.cluster.machines.get(vmid)!.frozen ? 'frozen' : 'thawed'),
  'fsfreeze-freeze': (call, vmid) => hold(call, vmid, true),
  'fsfreeze-thaw': (call, vmid) => hold(call, vmid, false),
  fstrim: () => ({ paths: [{ path: '/', trimmed: 0, minimum: 0 }] }),
  'get-vcpus': () => [{ 'logical-id': 0, online: true, 'can-offline': false }],
  'get-users': () => [],
  'get-timezone': () => ({ zone: 'UTC', offset: 0 }),
  'get-memory-blocks': () => [],
  'get-memory-block-info': () => ({ size: 134_217_728 }),
  // What a simulated guest remembers of being put to sleep is nothing: it goes on.
  'suspend-disk': () => ({}),
  'suspend-hybrid': () => ({}),
  'suspend-ram': () => ({}),
  shutdown: (call, vmid) => {
    call.cluster.halt(vmid);
    return {};
  },
};

async function run(call: Call, command: string): Promise<unknown> {
  const vmid = await requireAgent(call);
  const answer = commands[command];
  if (!answer) throw failed(`The command guest-${command} has not been found`);
  if (call.cluster.machines.get(vmid)!.frozen && !whileFrozen.includes(command)) {
    const desc = `Command guest-${command} has been disabled: the command is not allowed`;
    return { result: { error: { class: 'CommandNotFound', desc } } };
  }
  return { result: answer(call, vmid) };
}

/** Commands that take more than a name; PVE has a call of its own for each. */
const withParameters = ['exec', 'exec-status', 'file-read', 'file-write', 'set-user-password'];

const agent = '/nodes/{node}/qemu/{vmid}/agent';
const readable = ['get-fsinfo', 'get-host-name', 'get-osinfo', 'get-time', 'info', 'network-get-interfaces'];

export const agentHandlers: Readonly<Record<string, Handler>> = {
  [`GET ${agent}`]: () => [...Object.keys(commands), ...withParameters].sort().map((name) => ({ name })),
  [`POST ${agent}`]: (call) => run(call, call.args.need('command')),
  [`POST ${agent}/ping`]: (call) => run(call, 'ping'),
  [`POST ${agent}/fsfreeze-status`]: (call) => run(call, 'fsfreeze-status'),
  [`POST ${agent}/fsfreeze-freeze`]: (call) => run(call, 'fsfreeze-freeze'),
  // A simulated guest has no files.
  [`GET ${agent}/file-read`]: async (call) => {
    await requireAgent(call);
    throw failed(`Agent error: failed to open file '${call.args.need('file')}' (mode: 'r'): No such file or directory`);
  },
  // Nothing runs in a simulated guest: a program is said to have ended at once, without a word.
  [`POST ${agent}/exec`]: async (call) => ({ pid: 1000 + (await requireAgent(call)) }),
  [`GET ${agent}/exec-status`]: async (call) => {
    const vmid = await requireAgent(call);
    const pid = call.args.number('pid');
    if (pid !== 1000 + vmid) throw failed(`Agent error: PID ${pid ?? 0} does not exist`);
    return { exited: 1, exitcode: 0 };
  },
  ...Object.fromEntries(readable.map((name): [string, Handler] => [`GET ${agent}/${name}`, (call) => run(call, name)])),
};
