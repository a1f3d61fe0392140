import { expect, test } from '@jest/globals';
import { firewallFinding } from '../../../src/api/firewall-finding.ts';
import { FakeHypervisor } from '../../support/fake-hypervisor.ts';

test.each([
  [undefined, []],
  [
    true,
    [
      {
        check: 'firewall',
        subject: 'main',
        group: 'cluster main',
        verdict: 'ok',
        text: expect.stringContaining('firewall is on'),
      },
    ],
  ],
  [false, [expect.objectContaining({ verdict: 'warn', text: expect.stringContaining('it would drop nothing') })]],
])('doctor says whether a fence by firewall would hold, where one is wanted: %s', async (enforced, found) => {
  const hypervisor = Object.assign(new FakeHypervisor('main'), { observeFirewall: () => Promise.resolve(enforced) });
  expect(await firewallFinding('main', hypervisor)).toEqual(found);
});
