import { secondMs } from '../../domain/time.ts';
import { bucketMs } from '../../domain/demand.ts';
import type { EdgeStatus } from '../api/wire.ts';
import { useResource } from '../api/resource.ts';
import { Loading, Trouble } from '../components/notes.tsx';
import { Age } from '../components/time.tsx';
import { edgesSentence } from '../text/edges.ts';
import { formatCount, formatPercent } from '../text/numbers.ts';
import { formatClock } from '../text/when.ts';

/** Do we see all of DNS? */
export function EdgesPage() {
  const { answer, trouble } = useResource<EdgeStatus[]>('/edges', { everyMs: 5 * secondMs });
  return (
    <>
      <h1 tabIndex={-1}>{answer === undefined ? 'Edges' : edgesSentence(answer)}</h1>
      <Trouble text={trouble} stale={answer !== undefined} />
      {answer === undefined && trouble === undefined ? <Loading what="the edges" /> : null}
      {answer === undefined || answer.length === 0 ? null : (
        <div class="scroll" tabIndex={0} role="region" aria-label="Edges">
          <table>
            <caption class="for-readers">Edge sites and what they see</caption>
            <thead>
              <tr>
                <th scope="col">Edge</th>
                <th scope="col">Is</th>
                <th scope="col" class="number">
                  Senders
                </th>
                <th scope="col" class="number">
                  Rate
                </th>
                <th scope="col" class="number">
                  Observed share
                </th>
                <th scope="col">Newest bucket</th>
              </tr>
            </thead>
            <tbody>
              {answer.map((edge) => (
                <tr key={edge.edge}>
                  <th scope="row">{edge.edge}</th>
                  <td>
                    <strong class={edge.silent ? 'bad' : 'ok'}>{edge.silent ? 'silent' : 'reporting'}</strong>
                  </td>
                  <td class="number">{edge.senders}</td>
                  <td class="number">{formatCount(edge.framesPerSecond)} messages/s</td>
                  <td class="number">
                    {edge.observedShare === null ? 'no counters' : formatPercent(edge.observedShare, 1)}
                  </td>
                  <td>
                    <Lag edge={edge} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <p class="quiet">
        A bucket is {bucketMs / secondMs} s wide and is written some seconds after it ends. Demand is corrected for what
        an edge did not observe; where no edge reports, plots show a gap. An edge that cannot reach the store spools to
        disk: its newest bucket grows old here, and the gap is filled once it delivers.
      </p>
    </>
  );
}

function Lag({ edge }: { readonly edge: EdgeStatus }) {
  if (edge.lastBucketAt === null) return <>none yet</>;
  return (
    <>
      {formatClock(edge.lastBucketAt)} <Age at={edge.lastBucketAt} everyMs={bucketMs} />
    </>
  );
}
