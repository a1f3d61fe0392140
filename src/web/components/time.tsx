import type { EpochMs } from '../../domain/time.ts';
import { now } from '../api/clock.ts';
import { formatLeft, formatMoment, formatUtc, formatWhen } from '../text/when.ts';

/** A moment: relative under a day, with UTC on hover. */
export function When({ at }: { readonly at: EpochMs }) {
  return (
    <time dateTime={new Date(at).toISOString()} title={formatUtc(at)}>
      {formatWhen(at, now.value)}
    </time>
  );
}

/** A countdown that names its absolute moment too: `17 h 20 m left, until 23 Nov, 14:05`. */
export function Left({ until, what }: { readonly until: EpochMs; readonly what: string }) {
  return (
    <time dateTime={new Date(until).toISOString()} title={formatUtc(until)}>
      {until <= now.value ? `${what} is over` : `${formatLeft(until, now.value)} of ${what} left`}, until{' '}
      {formatMoment(until)}
    </time>
  );
}

/** `(8 s ago)` behind a number; grey and `old` once three intervals have passed without a newer one. */
export function Age({ at, everyMs }: { readonly at: EpochMs; readonly everyMs: number }) {
  const old = now.value - at > 3 * everyMs;
  return (
    <span class={old ? 'age old' : 'age'}>
      ({old ? 'old: ' : ''}
      <When at={at} />)
    </span>
  );
}
