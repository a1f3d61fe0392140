import type { UmbraEvent } from '../../domain/event.ts';
import { hostedVmPath } from '../route.ts';
import { formatClock, formatUtc } from '../text/when.ts';
import { When } from './time.tsx';

/** Events that are about no single hosted VM carry this instead of an id. */
const installation = '*';

/** What happened and why, newest first. */
export function Timeline({ events, named }: { readonly events: readonly UmbraEvent[]; readonly named: boolean }) {
  return (
    <ol class="timeline">
      {events.map((event) => (
        <li key={event.id}>
          <div class="moment">
            <span title={formatUtc(event.at)}>{formatClock(event.at)}</span> <When at={event.at} />
          </div>
          <div>
            {named && event.hostedVmId !== installation ? (
              <a class="vm-name" href={hostedVmPath(event.hostedVmId)}>
                {event.hostedVmId}
              </a>
            ) : null}
            <span class="event-kind">{event.kind}</span> <span class="event-reason">{event.reason.text}</span>{' '}
            <span class="quiet">by {event.actor}</span>
            <Facts facts={{ ...event.reason.facts, ...event.facts }} />
          </div>
        </li>
      ))}
    </ol>
  );
}

function Facts({ facts }: { readonly facts: UmbraEvent['facts'] }) {
  const entries = Object.entries(facts);
  if (entries.length === 0) return null;
  return (
    <details class="facts">
      <summary>{entries.length === 1 ? '1 figure' : `${entries.length} figures`}</summary>
      <dl>
        {entries.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{String(value)}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}
