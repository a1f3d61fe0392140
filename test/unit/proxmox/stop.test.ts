import { expect, test } from '@jest/globals';
import type { GuestView } from '../../../src/ports/hypervisor.ts';
import { resource } from '../../../src/providers/proxmox/answers.ts';
import { ProxmoxError } from '../../../src/providers/proxmox/errors.ts';
import { carryOut } from '../../../src/providers/proxmox/power.ts';
import type { Work } from '../../../src/providers/proxmox/site.ts';

const upid = 'UPID:pve1:00000001:00000001:00000001:hastop:101:root@pam:';

/** Proxmox with a guest that HA manages; `asked` keeps whether each stop was to overrule a shutdown. */
function managed(asked: boolean[], refusal: Record<string, string>): Work {
  const calls = {
    stop: (_node: string, _vmid: number, overrules: boolean) => {
      asked.push(overrules);
      if (!overrules) return Promise.resolve(upid);
      const what = { operation: 'stop', target: 'VM 101', failureClass: 'invalid', message: 'refused' } as const;
      return Promise.reject(new ProxmoxError({ ...what, errors: refusal }));
    },
    taskStatus: () => Promise.resolve({ status: 'stopped', exitstatus: 'OK', type: 'hastop' }),
  };
  const waiting = { now: () => 0, pause: () => Promise.resolve() };
  return { calls, waiting, log: () => undefined } as unknown as Work;
}
const view = (ha?: string): GuestView =>
  ({ ref: { cluster: 'lab', vmid: 101 }, node: 'pve1', ...(ha === undefined ? {} : { ha }) }) as GuestView;

test('what HA manages is stopped without overruling a shutdown, which Proxmox would refuse', async () => {
  const asked: boolean[] = [];
  await carryOut(managed(asked, {}), view('started'), 'stop');
  expect(asked).toEqual([false]);
});

test('a guest given to HA since we looked is asked again, and no other refusal is', async () => {
  const asked: boolean[] = [];
  await carryOut(managed(asked, { 'overrule-shutdown': 'Not applicable for HA resources.' }), view(), 'stop');
  expect(asked).toEqual([true, false]);
  await expect(carryOut(managed(asked, { skiplock: 'no' }), view('ignored'), 'stop')).rejects.toThrow('refused');
  expect(asked).toEqual([true, false, true]);
});

test('a resource without a state that the manager has not seen is one that HA manages', () => {
  expect(resource.parse({ type: 'qemu', id: 'qemu/101', hastate: null }).hastate).toBe('queued');
  expect(resource.parse({ type: 'qemu', id: 'qemu/101' }).hastate).toBeUndefined();
});
