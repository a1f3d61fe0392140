import { describe, expect, test } from '@jest/globals';
import { proxmoxHypervisor } from '../../../src/providers/proxmox/hypervisor.ts';
import { openLab, ref, shadow } from './lab.ts';

describe('trust', () => {
  test('a pinned certificate is accepted, any other is refused before the token is sent', async () => {
    const lab = await openLab({ sim: { tls: true } });
    try {
      await expect(lab.hypervisor.observeCluster()).resolves.toMatchObject({ quorate: true });
    } finally {
      await lab.close();
    }
    const lines: string[] = [];
    const other = await openLab({ sim: { tls: true, log: (line) => lines.push(line) } });
    const wrong = proxmoxHypervisor({
      cluster: {
        name: 'lab',
        endpoints: [other.sim.url],
        vmids: { from: 9001, to: 9100 },
        fingerprint: Array.from({ length: 32 }, () => 'AB').join(':'),
      },
      token: () => Promise.resolve('umbra@pve!umbra=11111111-2222-3333-4444-555555555555'),
      log: { debug: () => undefined, info: () => undefined, warn: () => undefined },
    });
    try {
      await expect(wrong.observeCluster()).rejects.toMatchObject({
        failureClass: 'permanent',
        message: expect.stringContaining('the inventory says AB:AB'),
      });
      expect(lines.filter((line) => line.includes('GET'))).toEqual([]);
    } finally {
      await wrong.close();
      await other.close();
    }
  });
});

describe('a certificate that is not trusted', () => {
  const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined };
  const on = (endpoints: readonly string[], pin?: string) =>
    proxmoxHypervisor({
      cluster: {
        name: 'lab',
        endpoints,
        vmids: { from: 9001, to: 9100 },
        ...(pin === undefined ? {} : { fingerprint: pin }),
      },
      token: () => Promise.resolve('umbra@pve!umbra=11111111-2222-3333-4444-555555555555'),
      log: quiet,
    });

  test('by its chain is as final as one by its fingerprint', async () => {
    const lab = await openLab({ sim: { tls: true } });
    const nobody = on([lab.sim.url]);
    try {
      await expect(nobody.observeCluster()).rejects.toMatchObject({
        failureClass: 'permanent',
        message: expect.stringMatching(/is not trusted .*fingerprint or caFile/),
      });
    } finally {
      await nobody.close();
      await lab.close();
    }
  });

  test('beside an endpoint that is merely away is not the last word', async () => {
    const lab = await openLab({ sim: { tls: true } });
    const wrong = on(['https://127.0.0.1:1', lab.sim.url], Array.from({ length: 32 }, () => 'AB').join(':'));
    try {
      await expect(wrong.observeCluster()).rejects.toMatchObject({ failureClass: 'transient' });
    } finally {
      await wrong.close();
      await lab.close();
    }
  });
});

describe('several endpoints', () => {
  test('a dead one is passed over, for reads and for writes', async () => {
    const lab = await openLab({ endpoints: (sim) => ['http://127.0.0.1:1', ...sim.endpoints.map((one) => one.url)] });
    try {
      await expect(lab.hypervisor.ensureShadow(shadow(1))).resolves.toMatchObject({ node: 'pve2' });
      await lab.sim.fault('node pve1 off');
      await expect(lab.hypervisor.observeGuest(ref(9001))).resolves.toMatchObject({ node: 'pve2', power: 'stopped' });
    } finally {
      await lab.close();
    }
  });
});

describe('fencing', () => {
  test('a running guest is stopped, read back, and does not come back with its node', async () => {
    const lab = await openLab();
    try {
      await expect(lab.hypervisor.ensureFenced(ref(101))).resolves.toEqual({
        kind: 'stopped',
        fenced: true,
        proof: 'stopped, read back from pve1',
      });
      expect(lab.sim.cluster.world.guests.get(101)!.config.current['onboot']).toBe('0');
    } finally {
      await lab.close();
    }
  });

  test('a node that is merely silent proves nothing, and the primary that returns with it is stopped', async () => {
    const lab = await openLab({ endpoints: (sim) => sim.endpoints.map((one) => one.url) });
    try {
      await lab.sim.fault('node pve1 off');
      await expect(lab.hypervisor.ensureFenced(ref(101))).resolves.toMatchObject({
        kind: 'unreachable',
        fenced: false,
        proof: expect.stringContaining('node pve1 is off or out of reach'),
      });
      await lab.sim.fault('node pve1 on');
      await expect(lab.hypervisor.ensureFenced(ref(101))).resolves.toMatchObject({ fenced: true });
      expect(lab.sim.cluster.machines.get(101)).toBeUndefined();
    } finally {
      await lab.close();
    }
  });
});

describe('rights', () => {
  test('of the demonstration’s token are complete, and a missing one is named with its mend', async () => {
    const lab = await openLab({ change: (world) => world.roles.get('UmbraNetwork')!.delete('SDN.Use') });
    try {
      const missing = (await lab.hypervisor.checkRights(undefined, { primaries: [101], templates: [9000] })).filter(
        (one) => !one.granted,
      );
      expect(missing.map((one) => [one.path, one.privilege])).toEqual([['/sdn/zones/localnetwork', 'SDN.Use']]);
    } finally {
      await lab.close();
    }
  });
});
