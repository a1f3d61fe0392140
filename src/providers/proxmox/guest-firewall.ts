import type { GuestRef, GuestView } from '../../ports/hypervisor.ts';
import type { GuestFirewall } from './answers.ts';
import type { GuestConfig } from './guest-config.ts';
import { properties, propertyString } from './guest-config.ts';
import { live } from './guest.ts';
import type { Site, Work } from './site.ts';
import { ensureConfig, remaining } from './writing.ts';

/*
 * The last rung of a fence, where the inventory wants it (`fenceFirewall`): a firewall that drops everything is prepared
 * on each shadow and switched off, because switching it on is the one thing no lock forbids. It takes hold only where the
 * datacenter's firewall is on and the guest's cards have `firewall=1`, within ten seconds; connections that stand go on.
 */

/** Nothing else: a guest with rules of its own is firewalled by somebody, whose rules are not ours to switch. */
const dropsAll = { policy_in: 'DROP', policy_out: 'DROP' } as const;

/** On a shadow that has just been made: it stands still, so its cards may change. */
export async function ensurePrepared(work: Work, ref: GuestRef): Promise<void> {
  const { view } = await live(work, ref);
  const { options, rules } = await firewallOf(work, view);
  if (rules > 0 || (options.enable === true && !isOurs(options, rules))) {
    work.log.warn(
      { vmid: ref.vmid },
      'fence: its firewall has rules of somebody else; it cannot be fenced by firewall',
    );
    return;
  }
  if (view.power === 'stopped') {
    await ensureConfig(work, ref.vmid, (config) => remaining(config, cardsBehindFirewall(config)));
  }
  if (isOurs(options, rules) && options.enable !== true) return;
  await work.calls.changeGuestFirewall(view.node, ref.vmid, { enable: false, ...dropsAll });
}

/** @returns the words for it once the guest's traffic is dropped; undefined where this is not prepared, or not enforced */
export async function ensureTrafficDropped(work: Work, view: GuestView): Promise<string | undefined> {
  if (work.spec.fenceFirewall !== true || !(await isEnforced(work))) return undefined;
  const { config } = await live(work, view.ref);
  const { options, rules } = await firewallOf(work, view);
  if (!isOurs(options, rules) || Object.keys(remaining(config, cardsBehindFirewall(config))?.set ?? {}).length > 0) {
    return undefined;
  }
  const { node } = view;
  const { vmid } = view.ref;
  if (options.enable !== true) {
    await work.calls.changeGuestFirewall(node, vmid, { enable: true });
    await work.waiting.pause(work.timing.firewallMs);
  }
  if ((await work.calls.guestFirewall(node, vmid)).enable !== true) return undefined;
  return `the firewall of VM ${vmid} on ${node} drops every new connection; it runs on, and may write to its disk`;
}

/** Before it is to serve again, and once it is stopped for good. */
export async function ensureTrafficPasses(work: Work, view: GuestView): Promise<void> {
  if (work.spec.fenceFirewall !== true) return;
  const { options, rules } = await firewallOf(work, view);
  if (options.enable !== true || !isOurs(options, rules)) return;
  await work.calls.changeGuestFirewall(view.node, view.ref.vmid, { enable: false });
}

/** Whether guests' firewalls are in force at all: the datacenter's own has to be on. */
export async function isEnforced(site: Site): Promise<boolean> {
  return (await site.calls.datacenterFirewall()).enable === true;
}

async function firewallOf(work: Work, { node, ref }: GuestView) {
  const options = await work.calls.guestFirewall(node, ref.vmid);
  return { options, rules: (await work.calls.guestFirewallRules(node, ref.vmid)).length };
}

function isOurs(options: GuestFirewall, rules: number): boolean {
  return rules === 0 && options.policy_in === dropsAll.policy_in && options.policy_out === dropsAll.policy_out;
}

function cardsBehindFirewall(config: GuestConfig): Record<string, string> {
  const cards = Object.entries(config).filter(
    ([key, text]) => /^net\d+$/.test(key) && properties(text)['firewall'] !== '1',
  );
  return Object.fromEntries(cards.map(([key, text]) => [key, propertyString({ ...properties(text), firewall: '1' })]));
}
