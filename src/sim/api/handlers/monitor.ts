import { check } from '../../access/permissions.ts';
import { goOn } from '../../cluster/start.ts';
import type { Machine } from '../../guests/machine.ts';
import { isMonitorCommand, neededFor } from '../monitor-commands.ts';
import { failed, notPermitted } from '../refusal.ts';
import type { Call, Handler } from '../operation.ts';
import { refuseSkiplock } from './power.ts';

/** Anybody who may look may ask; to change something is a matter of the whole system. Tokens are not root. */
function requireCommand(call: Call, command: string): void {
  const { cluster, who } = call;
  const needed = neededFor(command);
  if (needed === 'nothing' || who.id === 'root@pam') return;
  // PVE 8 knows only what changes something and what does not.
  if (needed === 'Sys.Modify' || cluster.world.release === '8.4') check(cluster.world, who, '/', ['Sys.Modify']);
  else if (who.user !== 'root@pam') throw notPermitted(`only root can use monitor command '${command}'`);
}

/** What QEMU answers, and what becomes of the guest; no answer is an empty text. */
function obey(call: Call, machine: Machine, words: readonly string[]): string {
  const { cluster } = call;
  const [command = '', ...rest] = words;
  switch (command) {
    case 'info':
      return inform(machine, rest[0]);
    case 'stop':
    case 's':
      machine.qmp = 'paused';
      cluster.machines.changed(machine.vmid);
      return '';
    case 'cont':
    case 'c':
      goOn(cluster, machine);
      return '';
    case 'q':
    case 'quit':
      cluster.halt(machine.vmid);
      return '';
    case 'system_reset':
      cluster.machines.start(machine.vmid, machine.node, machine.options, cluster.timing.bootMs);
      return '';
    case 'system_powerdown':
      powerDown(call, machine);
      return '';
    case 'set_link':
      return setLink(machine, rest);
    default:
      return isMonitorCommand(command) ? '' : `unknown command: '${command}'\r\n`;
  }
}

function inform(machine: Machine, about: string | undefined): string {
  const cards = Object.keys(machine.options).filter((key) => /^net\d+$/.test(key));
  switch (about) {
    case 'status':
      return `VM status: ${machine.qmp}\r\n`;
    case 'version':
      return '10.1.2pve-qemu-kvm_10.1.2-3\r\n';
    case 'network':
      return cards.map((card) => `${card}: index=0,type=nic,model=virtio-net-pci\r\n`).join('');
    default:
      return '';
  }
}

/** The cable of a card, out or in again, behind the configuration's back. */
function setLink(machine: Machine, [card = '', state]: readonly string[]): string {
  if (machine.options[card] === undefined) return `Error: Device '${card}' not found\r\n`;
  if (state === 'off') machine.linksDown.add(card);
  else machine.linksDown.delete(card);
  return '';
}

/** The button is pressed; a guest that hears it goes down after a while. */
function powerDown(call: Call, machine: Machine): void {
  const { cluster } = call;
  if (machine.trouble === 'hang' || machine.qmp !== 'running') return;
  void cluster.clock.sleep(cluster.timing.shutdownMs).then(() => {
    if (cluster.machines.get(machine.vmid) === machine) cluster.halt(machine.vmid);
  });
}

const guest = '/nodes/{node}/qemu/{vmid}';

export const monitorHandlers: Readonly<Record<string, Handler>> = {
  [`POST ${guest}/monitor`]: (call) => {
    const { cluster, node, args } = call;
    const vmid = Number(args.need('vmid'));
    const words = args.need('command').trim().split(/\s+/);
    requireCommand(call, words[0]!);
    cluster.load(node, vmid);
    const machine = cluster.machines.get(vmid);
    // What QEMU's monitor could not be asked is an answer like any other.
    return machine ? obey(call, machine, words) : `ERROR: VM ${vmid} not running\n`;
  },
  [`PUT ${guest}/sendkey`]: (call) => {
    const vmid = Number(call.args.need('vmid'));
    refuseSkiplock(call);
    call.cluster.load(call.node, vmid);
    if (!call.cluster.machines.get(vmid)) throw failed(`VM ${vmid} not running`);
    return null;
  },
};
