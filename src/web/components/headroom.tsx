import { secondMs } from '../../domain/time.ts';
import type { CapacityAnswer } from '../api/wire.ts';
import { counted, formatMiB } from '../text/numbers.ts';
import { Trouble } from './notes.tsx';
import { Age, When } from './time.tsx';

type ClusterLedger = CapacityAnswer['clusters'][number];

/** A ledger is written again at least this often. */
const observedEveryMs = 60 * secondMs;

/** What each cluster has left, what of the budget is used, and whether memory would do if a node were gone. */
export function Headroom(props: { readonly answer: CapacityAnswer | undefined; readonly trouble: string | undefined }) {
  const { answer, trouble } = props;
  return (
    <section aria-labelledby="headroom">
      <h2 id="headroom">Headroom and budget</h2>
      <Trouble text={trouble} stale={answer !== undefined} />
      {(answer?.clusters ?? []).map((cluster) => (
        <ClusterHeadroom key={cluster.name} cluster={cluster} />
      ))}
      {answer?.clusters.length === 0 ? <p class="quiet">No cluster is known yet.</p> : null}
    </section>
  );
}

function ClusterHeadroom({ cluster }: { readonly cluster: ClusterLedger }) {
  const { budget, clones, failovers, breaker, waiting } = cluster;
  return (
    <div>
      <p>
        <strong>{cluster.name}</strong>: {budget.shadows} of at most {counted(budget.maxShadows, 'shadow')},{' '}
        {formatMiB(budget.memoryMiB)} of {formatMiB(budget.maxMemoryMiB)} shadow memory given out
        {cluster.observedAt === null ? (
          ', not observed yet'
        ) : (
          <>
            {' '}
            <Age at={cluster.observedAt} everyMs={observedEveryMs} />
          </>
        )}
        .
      </p>
      <ul class="standing">
        <li>
          failovers: {failovers.spent} of {failovers.limit} spent, {failovers.held} granted ahead
        </li>
        <li>
          clones: {clones.running} running, {clones.waiting} waiting
        </li>
        {budget.maxGiBHours === null ? null : (
          <li>
            memory over time: {Math.round(budget.gibHours)} of {budget.maxGiBHours} GiB-hours used
          </li>
        )}
        {waiting.length === 0 ? null : <li>{counted(waiting.length, 'instance')} waiting for room</li>}
        {cluster.quorate === false ? <li class="bad">the cluster has no quorum</li> : null}
        {breaker.kind === 'closed' ? null : (
          <li class="bad">
            breaker {breaker.kind} since <When at={breaker.since} />
            {breaker.kind === 'open' ? `: ${breaker.reason.text} ` : ' '}
            <code>umbra reset-breaker {cluster.name}</code>
          </li>
        )}
      </ul>
      {cluster.nodes.length === 0 ? null : <Nodes cluster={cluster} />}
    </div>
  );
}

function Nodes({ cluster }: { readonly cluster: ClusterLedger }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={`Nodes of ${cluster.name}`}>
      <table>
        <thead>
          <tr>
            <th scope="col">Node</th>
            <th scope="col">Is</th>
            <th scope="col" class="number">
              Memory free
            </th>
            <th scope="col" class="number">
              Given out
            </th>
            <th scope="col" class="number">
              vCPUs given out
            </th>
            <th scope="col">If it is gone, memory for its primaries</th>
          </tr>
        </thead>
        <tbody>
          {cluster.nodes.map((node) => (
            <tr key={node.node}>
              <th scope="row">{node.node}</th>
              <td>
                <strong class={node.usable ? 'ok' : 'bad'}>{node.usable ? 'usable' : 'away'}</strong>
              </td>
              <RoomCells room={node} />
              <td>
                <IfLost cluster={cluster} node={node.node} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function RoomCells({ room }: { readonly room: ClusterLedger['nodes'][number] }) {
  const { usable, freeMiB, memoryMiB, committedMiB, committedCores, vcpus, hidden } = room;
  if (!usable) {
    return (
      <>
        <td class="number quiet">none</td>
        <td class="number quiet">{formatMiB(committedMiB)} when it is back</td>
        <td class="number quiet">{committedCores} when it is back</td>
      </>
    );
  }
  if (freeMiB === null || memoryMiB === null) {
    return (
      <>
        <td class="number quiet" title={hidden}>
          not visible
        </td>
        <td class="number">{formatMiB(committedMiB)}</td>
        <td class="number">{committedCores}</td>
      </>
    );
  }
  return (
    <>
      <td class="number">{freeMiB < 0 ? `${formatMiB(-freeMiB)} too little` : formatMiB(freeMiB)}</td>
      <td class="number">
        {formatMiB(committedMiB)} of {formatMiB(memoryMiB)}
      </td>
      <td class="number">
        {committedCores} of {vcpus ?? 'unknown'}
      </td>
    </>
  );
}

function IfLost({ cluster, node }: { readonly cluster: ClusterLedger; readonly node: string }) {
  const loss = cluster.ifLost.find((each) => each.node === node);
  if (loss === undefined) return <span class="quiet">not known</span>;
  if (loss.protectedVms === 0) return <span class="quiet">none stands here</span>;
  const short = loss.short.map(({ hostedVmId, needMiB, freeMiB, node: on }) =>
    freeMiB === null
      ? `${hostedVmId} needs ${formatMiB(needMiB)} on ${on}, whose memory is not visible`
      : `${hostedVmId} lacks ${formatMiB(needMiB - freeMiB)} on ${on}`,
  );
  return (
    <span class={loss.fit === loss.protectedVms ? 'ok' : 'bad'}>
      {loss.fit} of {loss.protectedVms} fit{short.length === 0 ? '' : `: ${short.join('; ')}`}
    </span>
  );
}
