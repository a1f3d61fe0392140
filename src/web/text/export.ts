import type { UmbraEvent } from '../../domain/event.ts';

/** Events as CSV for a spreadsheet: RFC 4180, UTC times, facts as JSON in one column. */
export function eventsAsCsv(events: readonly UmbraEvent[]): string {
  const header = ['at', 'hostedVm', 'kind', 'actor', 'reasonCode', 'reason', 'facts', 'id'];
  const rows = events.map((event) => [
    new Date(event.at).toISOString(),
    event.hostedVmId,
    event.kind,
    event.actor,
    event.reason.code,
    event.reason.text,
    JSON.stringify({ ...event.reason.facts, ...event.facts }),
    event.id,
  ]);
  return [header, ...rows].map((row) => row.map(cell).join(',')).join('\r\n') + '\r\n';
}

/** A cell that begins like a formula would be run by a spreadsheet: an operator's reason must stay text. */
function cell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
