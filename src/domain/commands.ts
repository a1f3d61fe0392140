import type { Phase } from './hosted-vm.ts';
import type { InstanceId } from './instance.ts';
import type { Refusal } from './reason.ts';
import { refuse } from './reason.ts';
import type { EpochMs } from './time.ts';

export type Command =
  'failover' | 'handBack' | 'approve' | 'promote' | 'extendProbation' | 'pause' | 'resume' | 'retire';

/** Which commands make sense in which phase. The CLI, the API, the dashboard and the workflow all ask this table. */
export const allowedIn: Readonly<Record<Command, readonly Phase['kind'][]>> = {
  failover: ['guarded', 'probation', 'needs-human'],
  handBack: ['probation'],
  approve: ['needs-human'],
  promote: ['probation'],
  extendProbation: ['probation'],
  pause: ['adopting', 'guarded', 'failing-over', 'probation', 'promoting', 'needs-human'],
  resume: ['adopting', 'guarded', 'failing-over', 'probation', 'promoting', 'needs-human'],
  retire: ['adopting', 'guarded', 'needs-human'],
};

/** Every operator command names who asks (`operator:ada@api`) and why, and carries an id so that a repeat is answered, not done again. */
export type Asked = { readonly requestId: string; readonly actor: string; readonly reason: string };

export type CommandArguments = {
  failover: Asked & { readonly to?: InstanceId };
  handBack: Asked;
  approve: Asked & { readonly proposalId?: string };
  promote: Asked;
  extendProbation: Asked & { readonly byMs: number };
  pause: Asked;
  resume: Asked;
  /** Umbra lets go: shadows are deleted, the serving answers stay. */
  retire: Asked;
};

/** An accepted command on its way through the workflow. */
export type AskedCommand = {
  readonly [C in Command]: { readonly command: C; readonly at: EpochMs; readonly with: CommandArguments[C] };
}[Command];

export type Accepted = { readonly kind: 'accepted'; readonly text: string };
export type CommandResult = Accepted | Refusal;

const words: Readonly<Record<Phase['kind'], string>> = {
  adopting: 'being adopted',
  guarded: 'served by its primary',
  'failing-over': 'failing over',
  probation: 'on probation',
  promoting: 'being promoted',
  'needs-human': 'waiting for a human',
  retired: 'retired',
};

/** As an operator says it. */
const commandWords: Readonly<Record<Command, string>> = {
  failover: 'failing over',
  handBack: 'handing back',
  approve: 'approving',
  promote: 'promoting',
  extendProbation: 'extending a probation',
  pause: 'pausing',
  resume: 'resuming',
  retire: 'retiring',
};

/** @returns undefined when allowed; the reason an operator reads otherwise */
export function refusalOf(command: Command, phase: Phase, paused: boolean): Refusal | undefined {
  if (!allowedIn[command].includes(phase.kind)) {
    const when = allowedIn[command].map((kind) => words[kind]).join(' or ');
    return refuse(
      'wrong-phase',
      `${commandWords[command]} needs a hosted VM that is ${when}; this one is ${words[phase.kind]}`,
    );
  }
  if (command === 'resume' && !paused) return refuse('not-paused', 'this hosted VM is not paused');
  if (command === 'pause' && paused) return refuse('already-paused', 'this hosted VM is paused already');
  if (paused && command !== 'resume' && command !== 'retire') {
    return refuse('paused', 'this hosted VM is paused: resume it first');
  }
  return undefined;
}
