import type { HostedVmState } from './hosted-vm.ts';
import type { Instance } from './instance.ts';
import type { StorageClass } from './storage-class.ts';
import { riskBand } from './plan.ts';
import { displayStateOf, healthOf } from './view-of.ts';
import { primaryOf } from './hosted-vm/instances.ts';

/** The registry's search attributes. They have to be known to the namespace before a workflow upserts them. */
export const searchAttributeTypes = {
  HostedVmId: 'KEYWORD',
  InstanceRole: 'KEYWORD',
  InstanceState: 'KEYWORD',
  Cluster: 'KEYWORD',
  ProxmoxNode: 'KEYWORD',
  StorageClass: 'KEYWORD',
  HealthState: 'KEYWORD',
  RiskBand: 'KEYWORD',
  ProbationEndsAt: 'DATETIME',
  Paused: 'BOOL',
} as const;

type Name = keyof typeof searchAttributeTypes;
/** Instants as numbers of milliseconds; null removes. */
export type SearchAttributeValues = Readonly<Partial<Record<Name, string | number | boolean | null>>>;

export type SearchAttributeChange =
  | { key: { name: string; type: 'KEYWORD' }; value: string | null }
  | { key: { name: string; type: 'DATETIME' }; value: Date | null }
  | { key: { name: string; type: 'BOOL' }; value: boolean | null };

/** A hosted VM in the registry: `InstanceState` is its display state, so that lists read alike. */
export function attributesOf(state: HostedVmState): SearchAttributeValues {
  const { spec, phase, evaluation } = state;
  return {
    HostedVmId: spec.id,
    InstanceRole: 'hosted-vm',
    InstanceState: displayStateOf(state),
    Cluster: spec.primary.cluster,
    ProxmoxNode: primaryOf(state)?.node ?? null,
    StorageClass: spec.storageClass,
    HealthState: healthOf(state),
    RiskBand: evaluation === null ? null : riskBand(evaluation.risk.score),
    ProbationEndsAt: phase.kind === 'probation' ? phase.endsAt : null,
    Paused: state.paused !== null,
  };
}

export function instanceAttributesOf(
  hostedVmId: string,
  instance: Instance,
  storageClass: StorageClass,
): SearchAttributeValues {
  return {
    HostedVmId: hostedVmId,
    InstanceRole: instance.role,
    InstanceState: instance.state.kind,
    Cluster: instance.cluster,
    ProxmoxNode: instance.node ?? null,
    StorageClass: storageClass,
  };
}

/** Only what differs: each upsert is a history event and a write to the visibility store. */
export function changedAttributes(
  before: SearchAttributeValues,
  after: SearchAttributeValues,
): SearchAttributeChange[] {
  const names = (Object.keys(after) as Name[]).filter((name) => (before[name] ?? null) !== (after[name] ?? null));
  return names.map((name) => changeOf(name, after[name] ?? null));
}

function changeOf(name: Name, value: string | number | boolean | null): SearchAttributeChange {
  const type = searchAttributeTypes[name];
  if (type === 'DATETIME') return { key: { name, type }, value: value === null ? null : new Date(Number(value)) };
  if (type === 'BOOL') return { key: { name, type }, value: value === null ? null : Boolean(value) };
  return { key: { name, type }, value: value === null ? null : String(value) };
}
