import type { HostedVmView } from '../../domain/view.ts';
import { hostedVmPath } from '../route.ts';
import { servingOf, shadowsOf, shadowSummary } from '../text/instances.ts';
import { lookOf } from '../text/states.ts';
import { DemandBar } from './demand-bar.tsx';
import { RiskCell } from './risk.tsx';
import { StateMark } from './state-mark.tsx';
import { Left, When } from './time.tsx';

export const fleetColumns = ['Hosted VM', 'State', 'Serving', 'Risk', 'Demand / capacity', 'Shadows'] as const;

/** One hosted VM. Roles are written out because the narrow layout takes the table apart. */
export function FleetRow({ view }: { readonly view: HostedVmView }) {
  return (
    <tr role="row" class={`row-${lookOf(view).tone}`}>
      <th role="rowheader" scope="row">
        <a href={hostedVmPath(view.id)}>{view.id}</a>
        <div class="quiet">{view.names[0]}</div>
      </th>
      <td role="cell" data-label={fleetColumns[1]}>
        <StateMark view={view} />
        <div class="quiet">
          <StateDetail view={view} />
        </div>
      </td>
      <td role="cell" data-label={fleetColumns[2]}>
        <Serving view={view} />
      </td>
      <td role="cell" data-label={fleetColumns[3]}>
        <RiskCell risk={view.evaluation?.risk} />
      </td>
      <td role="cell" data-label={fleetColumns[4]}>
        <DemandBar view={view} />
      </td>
      <td role="cell" data-label={fleetColumns[5]}>
        <Shadows view={view} />
      </td>
    </tr>
  );
}

function StateDetail({ view }: { readonly view: HostedVmView }) {
  if (view.probationEndsAt !== null) return <Left until={view.probationEndsAt} what="probation" />;
  if (view.paused !== null) {
    return (
      <>
        by {view.paused.by}, <When at={view.paused.since} />: {view.paused.reason}
      </>
    );
  }
  if (view.state === 'unprotected') return <>{view.evaluation?.plan.reasons[0]?.text}</>;
  if (view.phase.kind === 'needs-human') return <>{view.phase.reason.text}</>;
  return view.mode === 'act' ? null : <>{view.mode === 'observe' ? 'observes only' : 'asks before it acts'}</>;
}

function Serving({ view }: { readonly view: HostedVmView }) {
  const serving = servingOf(view);
  if (serving.length === 0) return <span class="quiet">not known</span>;
  return (
    <>
      {serving.map(({ id, role, vmid, node, address }) => (
        <div key={id}>
          {role} {vmid} <span class="quiet">{[id, node, address].filter((each) => each !== undefined).join(', ')}</span>
        </div>
      ))}
    </>
  );
}

function Shadows({ view }: { readonly view: HostedVmView }) {
  const groups = shadowSummary(shadowsOf(view));
  if (groups.length === 0) return <span class="quiet">none</span>;
  return (
    <>
      {groups.map(({ tier, words, count }) => (
        <div key={tier + words}>
          {count > 1 ? `${count} of ` : ''}
          {tier} {words}
        </div>
      ))}
    </>
  );
}
