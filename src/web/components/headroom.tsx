import { secondMs } from '../../domain/time.ts';
import { useResource } from '../api/resource.ts';
import type { CapacityAnswer } from '../api/wire.ts';
import { formatMiB, formatPercent } from '../text/numbers.ts';
import { Trouble } from './notes.tsx';

/** What each cluster has left, and what of the budget is used. */
export function Headroom() {
  const { answer, trouble } = useResource<CapacityAnswer>('/capacity', {
    everyMs: 30 * secondMs,
    concerns: (change) => change.type === 'hosted-vm',
  });
  return (
    <section aria-labelledby="headroom">
      <h2 id="headroom">Headroom and budget</h2>
      <Trouble text={trouble} stale={answer !== undefined} />
      {(answer?.clusters ?? []).map((cluster) => (
        <div key={cluster.name}>
          <p>
            <strong>{cluster.name}</strong>: {cluster.shadows} of at most {cluster.budget.maxShadows} shadows,{' '}
            {formatMiB(cluster.shadowMemoryMiB)} of {formatMiB(cluster.budget.maxMemoryMiB)} shadow memory in use.
          </p>
          {cluster.nodes.length === 0 ? null : (
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
                      Memory
                    </th>
                    <th scope="col" class="number">
                      CPU used
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {cluster.nodes.map((node) => (
                    <tr key={node.node}>
                      <th scope="row">{node.node}</th>
                      <td>
                        <strong class={node.online ? 'ok' : 'bad'}>
                          {node.online ? (node.maintenance ? 'in maintenance' : 'online') : 'offline'}
                        </strong>
                      </td>
                      <td class="number">{formatMiB(node.memoryMiB - node.memoryUsedMiB)}</td>
                      <td class="number">{formatMiB(node.memoryMiB)}</td>
                      <td class="number">
                        {formatPercent(node.cpu)} of {node.cpus}
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
        </div>
      ))}
      {answer?.clusters.length === 0 ? <p class="quiet">No cluster is known yet.</p> : null}
    </section>
  );
}
