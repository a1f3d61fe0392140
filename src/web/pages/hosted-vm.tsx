import { useMemo } from 'preact/hooks';
import type { UmbraEvent } from '../../domain/event.ts';
import { minuteMs, secondMs } from '../../domain/time.ts';
import type { Explanation, HostedVmView } from '../../domain/view.ts';
import { now } from '../api/clock.ts';
import { fleet } from '../api/fleet.ts';
import { useResource } from '../api/resource.ts';
import type { DemandAnswer, HostedVmDetail } from '../api/wire.ts';
import { CommandPanel } from '../components/command-panel.tsx';
import { Loading, Trouble } from '../components/notes.tsx';
import { PlotView } from '../components/plot-view.tsx';
import { RiskParts } from '../components/risk.tsx';
import { RolesDiagram } from '../components/roles-diagram.tsx';
import { StateMark } from '../components/state-mark.tsx';
import { Age, Left, When } from '../components/time.tsx';
import { Timeline } from '../components/timeline.tsx';
import { changeView, route } from '../navigation.ts';
import { demandPlot } from '../text/demand-plot.ts';
import { formatQps } from '../text/numbers.ts';

/** Ranges of the plot and the step each is read in: some hundreds of points whatever the range. */
const ranges = { '1h': '10s', '6h': '1m', '24h': '5m', '7d': '1h' } as const;
type Range = keyof typeof ranges;

/** What is happening and why? */
export function HostedVmPage({ id }: { readonly id: string }) {
  const path = `/hosted-vms/${encodeURIComponent(id)}`;
  const mine = { everyMs: 30 * secondMs, concerns: (change: { id?: string }) => change.id === id };
  const view = useResource<HostedVmDetail>(path, mine);
  const explanation = useResource<Explanation>(`${path}/explain`, mine);
  const events = useResource<UmbraEvent[]>(`${path}/events`, mine);
  const shown: HostedVmDetail | undefined = view.answer ?? fleet.value?.get(id);
  if (shown === undefined) {
    return (
      <>
        <h1 tabIndex={-1}>{id}</h1>
        <Trouble text={view.trouble} stale={false} />
        {view.trouble === undefined ? <Loading what={id} /> : null}
      </>
    );
  }
  return (
    <>
      <p class="crumbs">
        <a href="/">Fleet</a> / {id}
      </p>
      <h1 tabIndex={-1}>{explanation.answer?.sentence ?? shown.sentence}</h1>
      <Trouble text={view.trouble ?? explanation.trouble} stale />
      <Standing view={shown} />
      {explanation.answer === undefined ? null : <Why explanation={explanation.answer} />}
      <Demand id={id} path={path} events={events.answer ?? []} />
      <RolesDiagram view={shown} />
      {explanation.answer === undefined ? (
        <Loading what="what is allowed now" />
      ) : (
        <CommandPanel view={shown} explanation={explanation.answer} />
      )}
      {shown.evaluation === null ? null : (
        <section aria-labelledby="risk">
          <h2 id="risk">Risk and plan</h2>
          <RiskParts risk={shown.evaluation.risk} />
          <ul>
            {shown.evaluation.plan.reasons.map((reason) => (
              <li key={reason.code}>{reason.text}</li>
            ))}
          </ul>
          <p class="quiet">
            Evaluated with {shown.evaluation.model} <Age at={shown.evaluation.at} everyMs={shown.evaluation.nextInMs} />
          </p>
        </section>
      )}
      <section aria-labelledby="timeline">
        <h2 id="timeline">What happened</h2>
        <Trouble text={events.trouble} stale={events.answer !== undefined} />
        {events.answer?.length === 0 ? <p class="quiet">Nothing yet.</p> : null}
        <Timeline events={events.answer ?? []} named={false} />
        <p>
          <a href={`/events?vm=${encodeURIComponent(id)}`}>All events of {id}</a>
        </p>
      </section>
    </>
  );
}

function Standing({ view }: { readonly view: HostedVmView }) {
  return (
    <ul class="standing">
      <li>
        <StateMark view={view} />
      </li>
      {view.probationEndsAt === null ? null : (
        <li>
          <Left until={view.probationEndsAt} what="probation" />
        </li>
      )}
      {view.paused === null ? null : (
        <li>
          paused by {view.paused.by} <When at={view.paused.since} />: {view.paused.reason}
        </li>
      )}
      <li>{view.storageClass}</li>
      <li>mode {view.mode}</li>
      <li>serves up to {formatQps(view.capacityQps)}</li>
      <li>inventory revision {view.revision}</li>
      <li>
        read <When at={view.at} />
      </li>
    </ul>
  );
}

function Why({ explanation }: { readonly explanation: Explanation }) {
  const lists = [
    { title: 'Why', lines: explanation.why },
    { title: 'It waits for', lines: explanation.waitsFor },
    { title: 'Next', lines: explanation.next },
  ];
  return (
    <section class="why-lists" aria-label="Why, waiting for, next">
      {lists.map(({ title, lines }) => (
        <div key={title}>
          <h2>{title}</h2>
          <ul>
            {lines.map((line) => (
              <li key={line}>{line}</li>
            ))}
            {lines.length === 0 ? <li class="quiet">nothing</li> : null}
          </ul>
        </div>
      ))}
    </section>
  );
}

function Demand({
  id,
  path,
  events,
}: {
  readonly id: string;
  readonly path: string;
  readonly events: readonly UmbraEvent[];
}) {
  const asked = route.value.query.get('range') ?? '';
  const range: Range = asked in ranges ? (asked as Range) : '6h';
  const { answer, trouble } = useResource<DemandAnswer>(
    `${path}/demand?since=${range}&step=${ranges[range]}&imputed=true`,
    {
      everyMs: range === '1h' ? 10 * secondMs : minuteMs,
    },
  );
  const model = useMemo(
    () => (answer === undefined ? undefined : demandPlot(answer, events, now.peek())),
    [answer, events],
  );
  return (
    <section aria-labelledby="demand">
      <h2 id="demand">Demand</h2>
      <div class="buttons ranges" role="group" aria-label="Range of the plot">
        {Object.keys(ranges).map((each) => (
          <button
            type="button"
            key={each}
            aria-pressed={each === range}
            onClick={() => changeView({ range: each === '6h' ? '' : each })}
          >
            {each}
          </button>
        ))}
      </div>
      <Trouble text={trouble} stale={answer !== undefined} />
      {model === undefined ? (
        trouble === undefined ? (
          <Loading what={`demand of ${id}`} />
        ) : null
      ) : (
        <PlotView model={model} />
      )}
    </section>
  );
}
