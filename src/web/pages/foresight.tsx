import { minuteMs } from '../../domain/time.ts';
import { fleet } from '../api/fleet.ts';
import { useResource } from '../api/resource.ts';
import type { ForesightAnswer } from '../api/wire.ts';
import { Loading, Trouble } from '../components/notes.tsx';
import { Reliability } from '../components/reliability.tsx';
import { When } from '../components/time.tsx';
import { hostedVmPath } from '../route.ts';
import { foresightSentence } from '../text/foresight.ts';
import { counted, formatPercent } from '../text/numbers.ts';

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
      <InUse />
      {answer === undefined ? null : (
        <>
          <Models answer={answer} />
          <Reliability bins={answer.reliability ?? []} />
          <Pool answer={answer} />
          <Misses answer={answer} />
        </>
      )}
    </>
  );
}

/** Which model each hosted VM's last evaluation believed. */
function InUse() {
  const evaluations = [...(fleet.value?.values() ?? [])].flatMap(({ evaluation }) =>
    evaluation === null ? [] : [evaluation],
  );
  const models = [...new Set(evaluations.map(({ model }) => model))].sort();
  const calibrated = evaluations.filter(({ risk }) => risk.calibrated).length;
  return (
    <section aria-labelledby="in-use">
      <h2 id="in-use">In use now</h2>
      {models.length === 0 ? (
        <p class="quiet">No hosted VM has been evaluated yet.</p>
      ) : (
        <>
          <ul>
            {models.map((model) => (
              <li key={model}>
                {model}: {counted(evaluations.filter((each) => each.model === model).length, 'hosted VM')}
              </li>
            ))}
          </ul>
          <p class="quiet">
            The risk of {calibrated} of {counted(evaluations.length, 'hosted VM')} is calibrated on outcomes.
          </p>
        </>
      )}
    </section>
  );
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
                  Hosted VMs
                </th>
                <th scope="col" class="number">
                  Error against seasonal-naive
                </th>
                <th scope="col" class="number">
                  Below p90 (should be 90%)
                </th>
              </tr>
            </thead>
            <tbody>
              {models.map((model) => (
                <tr key={model.model}>
                  <th scope="row">{model.model}</th>
                  <td class="number">{model.hostedVms}</td>
                  <td class="number">
                    {model.relativeError === null ? 'not known' : `${model.relativeError.toFixed(2)}\u00d7`}
                  </td>
                  <td class="number">{formatPercent(model.coverage90)}</td>
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
      {pool === undefined ? (
        <p class="quiet">No failover has needed a shadow yet.</p>
      ) : (
        <p>
          A warm shadow stood ready in {pool.hits} of {pool.hits + pool.misses} failovers; shadows idled{' '}
          {pool.idleHours.toFixed(0)} hours for it.
        </p>
      )}
    </section>
  );
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
