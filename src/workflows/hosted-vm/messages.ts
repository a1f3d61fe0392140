import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { BreakerNews, TokenGrant } from '../../domain/cluster-messages.ts';
import type { Accepted, Command, CommandArguments } from '../../domain/commands.ts';
import type { HealthReport } from '../../domain/health.ts';
import type { HostedVmState } from '../../domain/hosted-vm.ts';
import type { DemandNews, SpecChange } from '../../domain/hosted-vm/messages.ts';
import { applySpecUpdate, hostedVmQueries, hostedVmSignals } from '../../domain/hosted-vm/messages.ts';
import type { InstanceNews } from '../../domain/instance-messages.ts';
import type { EpochMs } from '../../domain/time.ts';
import type { Explanation, HostedVmView } from '../../domain/view.ts';

export const healthChangedSignal = defineSignal<[HealthReport]>(hostedVmSignals.healthChanged);
export const demandChangedSignal = defineSignal<[DemandNews]>(hostedVmSignals.demandChanged);
export const instanceChangedSignal = defineSignal<[InstanceNews]>(hostedVmSignals.instanceChanged);
export const failoverTokensSignal = defineSignal<[TokenGrant]>(hostedVmSignals.failoverTokens);
export const breakerChangedSignal = defineSignal<[BreakerNews]>(hostedVmSignals.breakerChanged);

export const stateQuery = defineQuery<HostedVmState>(hostedVmQueries.state);
export const explainQuery = defineQuery<Explanation, [now?: EpochMs]>(hostedVmQueries.explain);
export const viewQuery = defineQuery<HostedVmView, [now?: EpochMs]>(hostedVmQueries.view);

export const applySpec = defineUpdate<Accepted, [SpecChange]>(applySpecUpdate);

/** One update per operator command, named as in `commands.ts`. */
export const commandUpdate = <C extends Command>(command: C) => defineUpdate<Accepted, [CommandArguments[C]]>(command);
