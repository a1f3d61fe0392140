import type { UmbraEvent } from '../domain/event.ts';

/** RFC 4180, one line an event; the facts as JSON in the last column. */
export function eventsAsCsv(events: readonly UmbraEvent[]): string {
  const head = ['at', 'hostedVmId', 'kind', 'actor', 'code', 'text', 'facts'];
  const rows = events.map(({ at, hostedVmId, kind, actor, reason, facts }) => [
    new Date(at).toISOString(),
    hostedVmId,
    kind,
    actor,
    reason.code,
    reason.text,
    JSON.stringify(facts),
  ]);
  return [head, ...rows].map((row) => row.map(field).join(',')).join('\r\n') + '\r\n';
}

/** Spreadsheets run fields that begin with = + - @ as formulas; an apostrophe stops them. */
function field(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
