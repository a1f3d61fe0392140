const days = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const daySeconds = 86_400;

/**
 * The next instant of a calendar, in seconds; undefined for a calendar that the simulator does not read. It reads
 * `*` with `/15` for minutes, and `02:00` with days before it (`mon,wed` or `mon..fri`).
 */
export function nextRun(schedule: string, afterSeconds: number): number | undefined {
  const minutes = Number(/^\*\/(\d+)$/.exec(schedule)?.[1]);
  if (minutes > 0) return (Math.floor(afterSeconds / (minutes * 60)) + 1) * minutes * 60;
  const [, on, hours, past] = /^(?:([a-z.,]+) )?(\d{1,2}):(\d{2})$/.exec(schedule) ?? [];
  if (hours === undefined) return undefined;
  const wanted = new Set((on ?? 'sun..sat').split(',').flatMap(daysOf));
  const atSeconds = Number(hours) * 3600 + Number(past) * 60;
  const today = Math.floor(afterSeconds / daySeconds);
  for (let day = today; day <= today + 7; day += 1) {
    const at = day * daySeconds + atSeconds;
    if (at > afterSeconds && wanted.has(days[new Date(at * 1000).getUTCDay()]!)) return at;
  }
  return undefined;
}

function daysOf(text: string): string[] {
  const [from = '', to = from] = text.split('..');
  const first = days.indexOf(from);
  const count = (days.indexOf(to) - first + 7) % 7;
  return Array.from({ length: count + 1 }, (_, n) => days[(first + n) % 7]!);
}
