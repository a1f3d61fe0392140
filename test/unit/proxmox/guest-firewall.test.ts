import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import type { GuestView } from '../../../src/ports/hypervisor.ts';
import { guestFirewall } from '../../../src/providers/proxmox/answers.ts';
import type { GuestFirewall } from '../../../src/providers/proxmox/answers.ts';
import type { ConfigChange } from '../../../src/providers/proxmox/calls.ts';
import {
  ensurePrepared,
  ensureTrafficDropped,
  ensureTrafficPasses,
} from '../../../src/providers/proxmox/guest-firewall.ts';
import type { Work } from '../../../src/providers/proxmox/site.ts';

type Step = { readonly name: string; readonly response: { readonly body: { readonly data: unknown } } };
const { steps } = JSON.parse(readFileSync('test/fixtures/proxmox/transcripts-2.json', 'utf8')) as { steps: Step[] };
const recorded = (name: string): unknown => steps.find((step) => step.name === name)!.response.body.data;

/** Proxmox as far as one guest's firewall is concerned. */
class Firewalled {
  options: GuestFirewall = {};
  rules: { type: string; action: string }[] = [];
  datacenter = true;
  power: 'running' | 'stopped' = 'stopped';
  card = 'virtio=BC:24:11:00:90:01,bridge=vmbr0';
  wanted = true;
  readonly writes: object[] = [];
  readonly said: string[] = [];

  get view(): GuestView {
    return { ref: { cluster: 'lab', vmid: 9001 }, node: 'pve2', power: this.power } as GuestView;
  }

  get work(): Work {
    const calls = {
      datacenterFirewall: () => Promise.resolve({ enable: this.datacenter }),
      guestFirewall: () => Promise.resolve(this.options),
      guestFirewallRules: () => Promise.resolve(this.rules),
      changeGuestFirewall: (_node: string, _vmid: number, change: GuestFirewall) => {
        this.writes.push(change);
        this.options = { ...this.options, ...change };
        return Promise.resolve();
      },
      status: () => Promise.resolve({ status: this.power }),
      config: () => Promise.resolve({ net0: this.card }),
      changeConfig: (_node: string, _vmid: number, { set }: ConfigChange) => {
        this.card = String(set['net0']);
        return Promise.resolve();
      },
    };
    return {
      calls,
      spec: { name: 'lab', fenceFirewall: this.wanted },
      lastNode: new Map([[9001, 'pve2']]),
      lastView: new Map(),
      waiting: { now: () => 0, pause: () => Promise.resolve(), aborted: () => false },
      log: { warn: (_facts: object, text: string) => void this.said.push(text) },
      timing: { lockedMs: 0, lookMs: 0 },
    } as unknown as Work;
  }
}

const prepared = async (): Promise<Firewalled> => {
  const guest = new Firewalled();
  await ensurePrepared(guest.work, guest.view.ref);
  guest.power = 'running';
  return guest;
};

test('what the recorded Proxmox says of a firewall that drops everything is what is prepared, and switched on', () => {
  expect(guestFirewall.parse(recorded('firewall: vm options after'))).toEqual({
    ...{ enable: true, policy_in: 'DROP', policy_out: 'DROP' },
  });
  expect(guestFirewall.parse(recorded('firewall: cluster options limited'))).toEqual({});
});

describe('a fence by firewall', () => {
  test('is prepared on a new shadow, off, and once', async () => {
    const guest = await prepared();
    expect(guest.options).toEqual({ enable: false, policy_in: 'DROP', policy_out: 'DROP' });
    expect(guest.card).toContain('firewall=1');
    await ensurePrepared(guest.work, guest.view.ref);
    expect(guest.writes).toHaveLength(1);
  });

  test('is switched on, says that the guest runs on, and is switched off before it serves again', async () => {
    const guest = await prepared();
    await expect(ensureTrafficDropped(guest.work, guest.view)).resolves.toMatch(
      /drops every new connection; it runs on/,
    );
    expect(guest.options.enable).toBe(true);
    await ensureTrafficPasses(guest.work, guest.view);
    expect(guest.options.enable).toBe(false);
  });

  const withRules = (guest: Firewalled): void => void guest.rules.push({ type: 'in', action: 'ACCEPT' });
  test.each<[string, (guest: Firewalled) => void]>([
    ['the inventory does not want it', (guest) => void (guest.wanted = false)],
    ['the datacenter firewall is off', (guest) => void (guest.datacenter = false)],
    ['its card is not behind the firewall', (guest) => void (guest.card = guest.card.replace(',firewall=1', ''))],
    ['it has rules of somebody else', withRules],
    ['it lets something out', (guest) => void (guest.options = { ...guest.options, policy_out: 'ACCEPT' })],
  ])('is no fence where %s: nothing is switched on and nothing claimed', async (_why, change) => {
    const guest = await prepared();
    change(guest);
    guest.writes.length = 0;
    await expect(ensureTrafficDropped(guest.work, guest.view)).resolves.toBeUndefined();
    expect(guest.writes).toEqual([]);
  });

  test("leaves somebody else's firewall alone, when it is prepared and when the guest is to serve", async () => {
    const guest = new Firewalled();
    withRules(guest);
    guest.options = { enable: true, policy_in: 'DROP' };
    await ensurePrepared(guest.work, guest.view.ref);
    await ensureTrafficPasses(guest.work, guest.view);
    expect(guest.writes).toEqual([]);
    expect(guest.card).not.toContain('firewall=1');
    expect(guest.said).toEqual([expect.stringContaining('rules of somebody else')]);
  });
});
