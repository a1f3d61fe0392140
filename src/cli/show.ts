import type { Command } from 'commander';
import type { Instance } from '../domain/instance.ts';
import type { HostedVmView } from '../domain/view.ts';
import type { ConfigDrift } from '../ports/hypervisor.ts';
import type { Heartbeat } from '../ports/registry.ts';
import { findApi } from './api-client.ts';
import type { Api } from './api-client.ts';
import { table } from './table.ts';
import { paint } from './terminal.ts';
import type { Terminal } from './terminal.ts';
import { watching } from './watch.ts';
import { agoText, demandNow, demandText, riskText, stateColor, untilText } from './words.ts';

type Shown = HostedVmView & {
  readonly heartbeats: Readonly<Record<string, Heartbeat>>;
  readonly drift: Readonly<Record<string, readonly ConfigDrift[]>> | null;
};

export function mountShow(program: Command, terminal: Terminal): void {
  program
    .command('show <id>')
    .description('one hosted VM: its instances, demand, risk and how its shadows differ from it')
    .option('--json', 'machine-readable')
    .option('--watch', 'again after every change, until Ctrl-C')
    .addHelpText('after', '\nExamples:\n  umbra show shop\n  umbra show shop --watch')
    .action(async (id: string, options: { json?: true; watch?: true }, command: Command) => {
      const api = findApi(terminal, command.optsWithGlobals<{ api?: string }>().api);
      await watching(terminal, api, id, options.watch === true, () => render(terminal, api, id, options.json === true));
    });
}

async function render(terminal: Terminal, api: Api, id: string, asJson: boolean): Promise<string> {
  const [view, demand] = await Promise.all([
    api.read<Shown>(`/api/v1/hosted-vms/${encodeURIComponent(id)}`),
    demandNow(api),
  ]);
  if (asJson) return `${JSON.stringify(view, undefined, terminal.isTerminal ? 2 : 0)}\n`;
  const now = terminal.now();
  const facts: [string, string][] = [
    ['names', view.names.join(' ')],
    ['state', `${view.state} (mode ${view.mode}, ${view.storageClass})`],
    ['demand', demandText(view, demand, now)],
    ['risk', `${riskText(view)} of 100`],
    ['dns', view.generation === null ? 'not adopted yet' : `generation ${view.generation}`],
    ['seen', agoText(view.at, now)],
  ];
  if (view.evaluation?.peak != null) {
    const { p50, p90, p99 } = view.evaluation.peak;
    const figures = [p50, p90, p99].map((value) => Number(value.toPrecision(3)));
    facts.push([
      'forecast',
      `peak p50 ${figures[0]}, p90 ${figures[1]}, p99 ${figures[2]} q/s by ${view.evaluation.model}`,
    ]);
  }
  for (const part of view.evaluation?.risk.parts ?? []) facts.push(['', `${Math.round(part.points)}: ${part.text}`]);
  if (view.probationEndsAt !== null) facts.push(['probation', `ends ${untilText(view.probationEndsAt, now)}`]);
  if (view.paused !== null) facts.push(['paused', `by ${view.paused.by}: ${view.paused.reason}`]);
  const drift = Object.entries(view.drift ?? {}).flatMap(([instance, differences]) =>
    differences.map((row) => [instance, row.key, row.primary, row.shadow, driftText(row)]),
  );
  return [
    `${paint(terminal, stateColor[view.state], view.sentence)}\n`,
    facts.map(([name, value]) => `  ${name.padEnd(10)}${value}\n`).join(''),
    table(
      terminal,
      ['INSTANCE', 'ROLE', 'TIER', 'VMID', 'NODE', 'ADDRESS', 'STATE', 'HEARTBEAT'],
      view.instances.map((instance) => instanceRow(instance, view, now)),
    ),
    drift.length === 0
      ? ''
      : `\nShadows differ from the primary:\n${table(terminal, ['SHADOW', 'KEY', 'PRIMARY', 'SHADOW', 'BY'], drift)}`,
  ].join(terminal.isTerminal ? '\n' : '');
}

function driftText({ kind, changed }: ConfigDrift): string {
  if (kind === 'tier') return 'its tier';
  return changed === undefined ? 'drift' : `drift: the ${changed} changed`;
}

function instanceRow(instance: Instance, view: Shown, now: number): string[] {
  const { state } = instance;
  const named = view.serving.includes(instance.id);
  const serving = named && state.kind !== 'serving' ? ', serving' : '';
  // A primary whose traffic was moved to something larger runs on and could take it back.
  const kind = state.kind === 'serving' && !named ? 'standing by' : state.kind;
  const detail = state.kind === 'warm' ? ` ${state.warmth}` : state.kind === 'failed' ? `: ${state.why.text}` : '';
  const beat = view.heartbeats[instance.id];
  return [
    instance.id,
    instance.role,
    `${instance.tier}x`,
    String(instance.vmid ?? '-'),
    instance.node ?? '-',
    instance.address ?? '-',
    `${kind}${detail}${serving}`,
    beat === undefined ? '-' : agoText(beat.at, now),
  ];
}
