import { useEffect, useState } from 'preact/hooks';
import type { UmbraEvent } from '../../domain/event.ts';
import { secondMs } from '../../domain/time.ts';
import { read } from '../api/client.ts';
import { fleet } from '../api/fleet.ts';
import { useResource } from '../api/resource.ts';
import { Loading, Trouble } from '../components/notes.tsx';
import { Timeline } from '../components/timeline.tsx';
import { changeView, route } from '../navigation.ts';
import { eventsAsCsv } from '../text/export.ts';
import { formatMoment } from '../text/when.ts';

const pageSize = 200;

/** What did Umbra do? */
export function EventsPage() {
  const { query } = route.value;
  const filter = { vm: query.get('vm') ?? '', kind: query.get('kind') ?? '', q: query.get('q') ?? '' };
  const path = eventsPath(filter);
  const newest = useResource<UmbraEvent[]>(path, {
    everyMs: 30 * secondMs,
    concerns: (change) => change.type === 'hosted-vm',
  });
  const { older, more, loadOlder, trouble } = useOlder(path, newest.answer);
  const loaded = [...(newest.answer ?? []), ...older];
  const events = loaded.filter((event) => mentions(event, filter.q));
  return (
    <>
      <h1 tabIndex={-1}>{newest.answer === undefined ? 'Events' : eventsSentence(events)}</h1>
      <Trouble text={newest.trouble ?? trouble} stale={newest.answer !== undefined} />
      <EventFilter filter={filter} kinds={[...new Set(loaded.map((event) => event.kind))].sort()} />
      {newest.answer === undefined && newest.trouble === undefined ? <Loading what="events" /> : null}
      <div class="buttons">
        <button type="button" disabled={events.length === 0} onClick={() => download(events, 'csv')}>
          Export {events.length} as CSV
        </button>
        <button type="button" disabled={events.length === 0} onClick={() => download(events, 'json')}>
          Export as JSON
        </button>
      </div>
      <Timeline events={events} named />
      {more ? (
        <div class="buttons">
          <button type="button" onClick={() => void loadOlder()}>
            Load older
          </button>
        </div>
      ) : null}
    </>
  );
}

type Filter = { readonly vm: string; readonly kind: string; readonly q: string };

function eventsPath({ vm, kind }: Filter): string {
  const params = new URLSearchParams({ limit: String(pageSize) });
  if (vm !== '') params.set('hostedVmId', vm);
  if (kind !== '') params.set('kinds', kind);
  return `/events?${params.toString()}`;
}

/** Older pages, asked for one at a time; forgotten when the filter changes. */
function useOlder(path: string, newest: readonly UmbraEvent[] | undefined) {
  const [older, setOlder] = useState<readonly UmbraEvent[]>([]);
  const [more, setMore] = useState(true);
  const [trouble, setTrouble] = useState<string | undefined>(undefined);
  useEffect(() => {
    setOlder([]);
    setMore(true);
  }, [path]);
  const oldest = older.at(-1) ?? newest?.at(-1);
  const known = new Set([...(newest ?? []), ...older].map((event) => event.id));
  const loadOlder = async (): Promise<void> => {
    if (oldest === undefined) return;
    try {
      const page = await read<UmbraEvent[]>(`${path}&before=${oldest.at}`);
      setOlder([...older, ...page.filter((event) => !known.has(event.id))]);
      setMore(page.length >= pageSize);
      setTrouble(undefined);
    } catch (error) {
      setTrouble(error instanceof Error ? error.message : String(error));
    }
  };
  const fullPage = (newest?.length ?? 0) >= pageSize;
  return {
    older: older.filter((event) => newest?.every(({ id }) => id !== event.id) ?? true),
    more: more && fullPage,
    loadOlder,
    trouble,
  };
}

function EventFilter({ filter, kinds }: { readonly filter: Filter; readonly kinds: readonly string[] }) {
  const ids = [...(fleet.value?.keys() ?? [])].sort();
  const all = (chosen: string, values: readonly string[]): string[] => [
    ...new Set([...(chosen === '' ? [] : [chosen]), ...values]),
  ];
  return (
    <form class="filter" role="search" onSubmit={(event) => event.preventDefault()}>
      <label>
        Hosted VM
        <select value={filter.vm} onChange={(event) => changeView({ vm: event.currentTarget.value })}>
          <option value="">all</option>
          {all(filter.vm, ids).map((id) => (
            <option key={id}>{id}</option>
          ))}
        </select>
      </label>
      <label>
        Kind
        <select value={filter.kind} onChange={(event) => changeView({ kind: event.currentTarget.value })}>
          <option value="">all</option>
          {all(filter.kind, kinds).map((kind) => (
            <option key={kind}>{kind}</option>
          ))}
        </select>
      </label>
      <label>
        Find
        <input
          type="search"
          value={filter.q}
          placeholder="reason, actor"
          onInput={(event) => changeView({ q: event.currentTarget.value })}
        />
      </label>
    </form>
  );
}

function eventsSentence(events: readonly UmbraEvent[]): string {
  const [last] = events;
  if (last === undefined) return 'Nothing that matches has happened.';
  const about = last.hostedVmId === '*' ? '' : `${last.hostedVmId}, `;
  return `Last: ${about}${formatMoment(last.at)}: ${last.reason.text}`;
}

function mentions(event: UmbraEvent, q: string): boolean {
  const wanted = q.trim().toLowerCase();
  return [event.reason.text, event.actor, event.kind, event.hostedVmId].some((text) =>
    text.toLowerCase().includes(wanted),
  );
}

function download(events: readonly UmbraEvent[], kind: 'csv' | 'json'): void {
  const text = kind === 'csv' ? eventsAsCsv(events) : JSON.stringify(events, null, 2);
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: kind === 'csv' ? 'text/csv' : 'application/json' }));
  link.download = `umbra-events.${kind}`;
  link.click();
  URL.revokeObjectURL(link.href);
}
