import { useEffect, useRef } from 'preact/hooks';
import type { HostedVmView } from '../../domain/view.ts';
import { now } from '../api/clock.ts';
import { followDemand } from '../api/demand-now.ts';
import { fleet, fleetTrouble } from '../api/fleet.ts';
import { FleetRow, fleetColumns } from '../components/fleet-row.tsx';
import { Loading, Trouble } from '../components/notes.tsx';
import { changeView, route } from '../navigation.ts';
import { byWorst, fleetSentence, matches } from '../text/fleet.ts';
import { looks, worstFirst } from '../text/states.ts';

const rowsPerPage = 100;

/** Is everyone safe? */
export function FleetPage() {
  useEffect(followDemand, []);
  const views = fleet.value;
  const { query } = route.value;
  const filter = { q: query.get('q') ?? '', state: query.get('state') ?? '' };
  return (
    <>
      <h1 tabIndex={-1}>
        <FleetSentence />
      </h1>
      <Trouble text={fleetTrouble.value} stale={views !== undefined} />
      {views === undefined ? <Loading what="the fleet" /> : <FleetTable views={[...views.values()]} filter={filter} />}
    </>
  );
}

function FleetSentence() {
  const views = fleet.value;
  return <>{views === undefined ? 'Fleet' : fleetSentence([...views.values()], now.value)}</>;
}

function FleetTable(props: {
  readonly views: readonly HostedVmView[];
  readonly filter: { readonly q: string; readonly state: string };
}) {
  const { filter } = props;
  const shown = props.views.filter((view) => matches(view, filter));
  const { rows, hold, release } = useSteadyOrder(shown, `${filter.q} ${filter.state}`);
  const pages = Math.max(1, Math.ceil(rows.length / rowsPerPage));
  const page = Math.min(pages, Math.max(1, Number(route.value.query.get('page')) || 1));
  const onPage = rows.slice((page - 1) * rowsPerPage, page * rowsPerPage);
  return (
    <>
      <Filter views={props.views} filter={filter} />
      <table
        role="table"
        class="fleet"
        onPointerEnter={hold}
        onPointerLeave={release}
        onFocusIn={hold}
        onFocusOut={release}
      >
        <caption class="for-readers">Hosted VMs, worst first</caption>
        <thead role="rowgroup">
          <tr role="row">
            {fleetColumns.map((name) => (
              <th role="columnheader" scope="col" key={name}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {onPage.map((view) => (
            <FleetRow key={view.id} view={view} />
          ))}
        </tbody>
      </table>
      {rows.length === 0 && props.views.length > 0 ? <p>No hosted VM matches this filter.</p> : null}
      {props.views.length === 0 ? (
        <p>
          Write an inventory and apply it: <code>umbra apply -f inventory.yaml</code>
        </p>
      ) : null}
      {pages === 1 ? null : <Pages page={page} pages={pages} rows={rows.length} />}
    </>
  );
}

/** Nothing moves under the pointer or the keyboard's focus: the order is kept until both have left. */
function useSteadyOrder(shown: readonly HostedVmView[], filter: string) {
  const order = useRef<{ filter: string; ids: readonly string[] }>({ filter, ids: [] });
  const held = useRef(false);
  const byId = new Map(shown.map((view) => [view.id, view]));
  if (!held.current || order.current.filter !== filter) {
    order.current = { filter, ids: [...shown].sort(byWorst).map((view) => view.id) };
  }
  const known = order.current.ids.filter((id) => byId.has(id));
  const fresh = shown.filter((view) => !order.current.ids.includes(view.id)).sort(byWorst);
  return {
    rows: [...known.map((id) => byId.get(id)!), ...fresh],
    hold: () => void (held.current = true),
    release: () => void (held.current = false),
  };
}

function Filter(props: {
  readonly views: readonly HostedVmView[];
  readonly filter: { readonly q: string; readonly state: string };
}) {
  const { views, filter } = props;
  const states = worstFirst.filter((state) => state === filter.state || views.some((view) => view.state === state));
  return (
    <form class="filter" role="search" onSubmit={(event) => event.preventDefault()}>
      <label>
        Find
        <input
          type="search"
          value={filter.q}
          placeholder="name, node, address"
          onInput={(event) => changeView({ q: event.currentTarget.value, page: '' })}
        />
      </label>
      <label>
        State
        <select value={filter.state} onChange={(event) => changeView({ state: event.currentTarget.value, page: '' })}>
          <option value="">all ({views.length})</option>
          {states.map((state) => (
            <option key={state} value={state}>
              {looks[state].label} ({views.filter((view) => view.state === state).length})
            </option>
          ))}
        </select>
      </label>
    </form>
  );
}

function Pages({ page, pages, rows }: { readonly page: number; readonly pages: number; readonly rows: number }) {
  const to = (target: number) => () => {
    changeView({ page: target === 1 ? '' : String(target) });
    scrollTo(0, 0);
  };
  return (
    <nav class="pages" aria-label="Pages of the fleet">
      <button type="button" disabled={page === 1} onClick={to(page - 1)}>
        Previous
      </button>
      <span>
        {(page - 1) * rowsPerPage + 1} to {Math.min(rows, page * rowsPerPage)} of {rows}
      </span>
      <button type="button" disabled={page === pages} onClick={to(page + 1)}>
        Next
      </button>
    </nav>
  );
}
