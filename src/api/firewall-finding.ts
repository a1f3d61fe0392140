import type { Hypervisor } from '../ports/hypervisor.ts';
import type { Finding } from './doctor.ts';

/** Whether the last rung of a fence would hold on this cluster; nothing where the inventory does not want it. */
export async function firewallFinding(cluster: string, hypervisor: Hypervisor): Promise<Finding[]> {
  const enforced = await hypervisor.observeFirewall?.();
  if (enforced === undefined) return [];
  const finding = { check: 'firewall', subject: cluster, group: `cluster ${cluster}` };
  if (enforced) return [{ ...finding, verdict: 'ok', text: 'the datacenter firewall is on: a fence can drop traffic' }];
  return [
    {
      ...finding,
      verdict: 'warn',
      text: 'fenceFirewall is set and the datacenter firewall is off: it would drop nothing',
      mend: 'Datacenter, Firewall, Options in the web interface; allow your own access first',
    },
  ];
}
