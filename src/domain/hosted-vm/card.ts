import type { HostedVmState } from '../hosted-vm.ts';
import { explain } from '../explain.ts';
import type { EpochMs } from '../time.ts';
import { displayStateOf } from '../view-of.ts';

/** The state as a small Markdown card for the Temporal UI. */
export function cardOf(state: HostedVmState, now: EpochMs): string {
  const { sentence, why, waitsFor, next } = explain(state, now);
  const rows = state.instances.map((instance) => {
    const serving = state.serving.includes(instance.id) ? ' **serving**' : '';
    const where = [instance.node, instance.address].filter((part) => part !== undefined).join(' ');
    return `| ${instance.id} | ${instance.role} | ${instance.vmid ?? '-'} | ${instance.tier}x | ${instance.state.kind}${serving} | ${where} |`;
  });
  return [
    `### ${state.spec.id}: ${displayStateOf(state)}`,
    '',
    sentence,
    '',
    '| instance | role | vmid | tier | state | where |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
    '',
    ...why.map((line) => `- ${line}`),
    '',
    ...waitsFor.map((line) => `- waits for ${line}`),
    ...next.map((line) => `- next: ${line}`),
    '',
    `DNS generation ${state.generation ?? 'none'}, inventory revision ${state.revision}, mode ${state.spec.policy.mode}`,
  ].join('\n');
}
