import type { AgentView, GuestRef } from '../../ports/hypervisor.ts';
import { isFailure } from './errors.ts';
import { live } from './guest.ts';
import type { Work } from './site.ts';

/**
 * Asks the guest agent whether it is there, whether the file systems are held for a backup, and for the addresses.
 * Each question to a hung guest blocks one of its node's three API workers for seconds: the engine asks one at a time.
 */
export async function observeAgent(work: Work, ref: GuestRef): Promise<AgentView> {
  const { view } = await live(work, ref);
  if (view.power !== 'running') return { kind: 'silent', why: `VM ${ref.vmid} is ${view.power}` };
  try {
    await work.calls.agentPing(view.node, ref.vmid);
    const frozen = (await work.calls.agentFreezeStatus(view.node, ref.vmid)) === 'frozen';
    // A frozen agent answers only about freezing.
    if (frozen) return { kind: 'ready', frozen, addresses: [] };
    return { kind: 'ready', frozen, addresses: await addresses(work, view.node, ref.vmid) };
  } catch (error) {
    if (isFailure(error, 'agent-down', 'already-done')) return { kind: 'silent', why: error.message };
    throw error;
  }
}

async function addresses(work: Work, node: string, vmid: number): Promise<string[]> {
  const cards = await work.calls.agentInterfaces(node, vmid);
  return cards
    .filter((card) => card.name !== 'lo')
    .flatMap((card) => card['ip-addresses'] ?? [])
    .map((one) => one['ip-address'])
    .filter((address) => !address.startsWith('fe80:') && !address.startsWith('169.254.'));
}
