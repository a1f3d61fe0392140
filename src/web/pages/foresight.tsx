import { minuteMs } from '../../domain/time.ts';
import { useResource } from '../api/resource.ts';
import type { ForesightAnswer, HostedVmScore } from '../api/wire.ts';
import { Loading, Trouble } from '../components/notes.tsx';
import { Reliability } from '../components/reliability.tsx';
import { When } from '../components/time.tsx';
import { hostedVmPath } from '../route.ts';
import { byDoubt, foresightSentence, relativeOf } from '../text/foresight.ts';
import { counted, formatPercent } from '../text/numbers.ts';

const mostRows = 100;

/** Can I trust the forecasts? */
export function ForesightPage() {
  const { answer, trouble, absent } = useResource<ForesightAnswer>('/foresight', { everyMs: minuteMs });
  return (
    <>
      <h1 tabIndex={-1}>
        {answer === undefined ? (absent ? foresightSentence({}) : 'Foresight') : foresightSentence(answer)}
      </h1>
      <Trouble text={absent ? undefined : trouble} stale={answer !== undefined} />
      {answer === undefined && trouble === undefined ? <Loading what="scores" /> : null}
      {answer === undefined ? null : (
        <>
          <InUse answer={answer} />
          <Models answer={answer} />
          <Reliability bins={answer.reliability ?? []} text={answer.risk?.text} weights={answer.risk?.healthWeights} />
          <Pool answer={answer} />
          <Misses answer={answer} />
        </>
      )}
    </>
  );
}

/** Which model speaks for each hosted VM, and how it has done. */
function InUse({ answer }: { readonly answer: ForesightAnswer }) {
  const hostedVms = answer.hostedVms ?? [];
  const rows = [...hostedVms].sort(byDoubt).slice(0, mostRows);
  return (
    <section aria-labelledby="in-use">
      <h2 id="in-use">In use now</h2>
      {hostedVms.length === 0 ? <p class="quiet">No hosted VM is known yet.</p> : null}
      {hostedVms.length > mostRows ? (
        <p class="quiet">
          The first {mostRows} of {hostedVms.length}, those in doubt first.
        </p>
      ) : null}
      {hostedVms.length === 0 ? null : (
        <div class="scroll" tabIndex={0} role="region" aria-labelledby="in-use">
          <table>
            <thead>
              <tr>
                <th scope="col">Hosted VM</th>
                <th scope="col">Model</th>
                <th scope="col" class="number">
                  Error against seasonal-naive, in the backtest
                </th>
                <th scope="col" class="number">
                  Below p90 / p99 lately
                </th>
                <th scope="col">Standing</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((each) => (
                <InUseRow key={each.id} score={each} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function InUseRow({ score }: { readonly score: HostedVmScore }) {
  const { id, model, why, forecast, doubt, capacity } = score;
  return (
    <tr>
      <th scope="row">
        <a href={hostedVmPath(id)}>{id}</a>
      </th>
      <td>{model ?? <span class="quiet">none yet: {why}</span>}</td>
      <td class="number">{formatRelative(relativeOf(score))}</td>
      <td class="number">
        <Held score={score} />
      </td>
      <td class="words">
        <strong class={forecast === 'ok' ? 'ok' : 'bad'}>{standingWords[forecast]}</strong>
        {doubt === null ? null : <div>{doubt}</div>}
        {capacity === null ? null : <div class="quiet">capacity: {capacity}</div>}
      </td>
    </tr>
  );
}

const standingWords = { ok: 'believed', alarm: 'in doubt', off: 'not used' } as const;

/** Shares below p90 and p99, with the number of steps they rest on. */
function Held({ score }: { readonly score: Pick<HostedVmScore, 'coverage90' | 'coverage99' | 'steps'> }) {
  if (score.coverage90 === null) return <span class="quiet">not known yet</span>;
  return (
    <>
      {formatPercent(score.coverage90)} / {formatPercent(score.coverage99)}{' '}
      <span class="quiet">of {counted(score.steps, 'step')}</span>
    </>
  );
}

function formatRelative(relative: number | null): string {
  return relative === null ? 'not known' : `${relative.toFixed(2)}\u00d7`;
}

function Models({ answer }: { readonly answer: ForesightAnswer }) {
  const models = answer.models ?? [];
  return (
    <section aria-labelledby="models">
      <h2 id="models">Models</h2>
      {models.length === 0 ? (
        <p class="quiet">No model has been scored yet.</p>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-labelledby="models">
          <table>
            <thead>
              <tr>
                <th scope="col">Model</th>
                <th scope="col" class="number">
                  Chosen for
                </th>
                <th scope="col" class="number">
                  Error against seasonal-naive, in backtests
                </th>
                <th scope="col" class="number">
                  Below p90 / p99 (90% / 99% are honest)
                </th>
              </tr>
            </thead>
            <tbody>
              {models.map((model) => (
                <tr key={model.model}>
                  <th scope="row">{model.model}</th>
                  <td class="number">{counted(model.hostedVms, 'hosted VM')}</td>
                  <td class="number">{formatRelative(model.relativeError)}</td>
                  <td class="number">
                    <Held score={model} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function Pool({ answer }: { readonly answer: ForesightAnswer }) {
  const { pool } = answer;
  return (
    <section aria-labelledby="pool">
      <h2 id="pool">Shadows</h2>
      {pool === undefined || pool.hits + pool.misses === 0 ? (
        <p class="quiet">No shadow has been needed in the last 30 days, as far as the outcomes are judged yet.</p>
      ) : (
        <p>
          A warm shadow stood ready for {pool.hits} of {counted(pool.hits + pool.misses, 'need')} in the last 30 days.
        </p>
      )}
      {pool === undefined ? null : <p>Shadows idled {formatHours(pool.idleHours)} without being needed.</p>}
    </section>
  );
}

function formatHours(hours: number): string {
  return hours < 10 ? `${hours.toFixed(1)} hours` : `${hours.toFixed(0)} hours`;
}

function Misses({ answer }: { readonly answer: ForesightAnswer }) {
  const misses = answer.misses ?? [];
  return (
    <section aria-labelledby="misses">
      <h2 id="misses">Last misses, and what was known then</h2>
      {misses.length === 0 ? <p class="quiet">None.</p> : null}
      <ol class="timeline">
        {misses.map((miss) => (
          <li key={`${miss.hostedVmId} ${miss.at}`}>
            <div class="moment">
              <When at={miss.at} />
            </div>
            <div>
              <a class="vm-name" href={hostedVmPath(miss.hostedVmId)}>
                {miss.hostedVmId}
              </a>{' '}
              {miss.text} <span class="quiet">Known then: {miss.known}</span>
            </div>
          </li>
        ))}
      </ol>
    </section>
  );
}
