import type { Command } from 'commander';
import type { HostedVmView } from '../domain/view.ts';
import { findApi } from './api-client.ts';
import type { Api } from './api-client.ts';
import { table } from './table.ts';
import type { Terminal } from './terminal.ts';
import { watching } from './watch.ts';
import {
  demandNow,
  demandText,
  primaryOf,
  rankOf,
  riskText,
  shadowsOf,
  shadowText,
  stateCell,
  untilText,
} from './words.ts';

export function mountList(program: Command, terminal: Terminal): void {
  program
    .command('list')
    .alias('ls')
    .description('all hosted VMs, worst first')
    .option('--json', 'machine-readable')
    .option('--watch', 'again after every change, until Ctrl-C')
    .addHelpText(
      'after',
      '\nExamples:\n  umbra list\n  umbra list --watch\n  umbra list --json | jq -r \'.[] | select(.state != "protected") | .id\'',
    )
    .action(async (options: { json?: true; watch?: true }, command: Command) => {
      const api = findApi(terminal, command.optsWithGlobals<{ api?: string }>().api);
      await watching(terminal, api, undefined, options.watch === true, () =>
        render(terminal, api, options.json === true),
      );
    });
}

async function render(terminal: Terminal, api: Api, asJson: boolean): Promise<string> {
  const [views, demand] = await Promise.all([api.read<HostedVmView[]>('/api/v1/hosted-vms'), demandNow(api)]);
  if (asJson) return `${JSON.stringify(views.map(listed), undefined, terminal.isTerminal ? 2 : 0)}\n`;
  if (views.length === 0) return terminal.isTerminal ? 'No hosted VMs yet: umbra apply -f inventory.yaml\n' : '';
  const ordered = [...views].sort((a, b) => rankOf(a) - rankOf(b) || risk(b) - risk(a) || (a.id < b.id ? -1 : 1));
  const rows = ordered.map((view) => [
    view.id,
    stateCell(view),
    servingText(view),
    riskText(view),
    demandText(view, demand, terminal.now()),
    shadowsOf(view).map(shadowText).join(', ') || '-',
    view.probationEndsAt === null ? '-' : untilText(view.probationEndsAt, terminal.now()),
  ]);
  return table(terminal, ['ID', 'STATE', 'SERVING', 'RISK', 'DEMAND', 'SHADOWS', 'PROBATION ENDS'], rows);
}

/** The documented shape of `umbra list --json`. */
function listed(view: HostedVmView) {
  return {
    id: view.id,
    names: view.names,
    storageClass: view.storageClass,
    state: view.state,
    primary: { vmid: primaryOf(view)?.vmid ?? null },
    shadows: shadowsOf(view).map(({ vmid, tier, state }) => ({ vmid: vmid ?? null, tier, state: state.kind })),
    /** 0 to 1; null before the first evaluation. */
    risk: view.evaluation?.risk.score ?? null,
  };
}

function servingText({ serving, instances }: HostedVmView): string {
  const texts = instances
    .filter(({ id }) => serving.includes(id))
    .map(({ role, vmid, address }) => `${role} ${vmid ?? '?'} ${address ?? ''}`.trim());
  return texts.join(', ') || '-';
}

function risk(view: HostedVmView): number {
  return view.evaluation?.risk.score ?? 0;
}
