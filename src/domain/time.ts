/** Instants are milliseconds since the Unix epoch: they cross workflow history as plain numbers. */
export type EpochMs = number;

export const secondMs = 1_000;
export const minuteMs = 60 * secondMs;
export const hourMs = 60 * minuteMs;
export const dayMs = 24 * hourMs;

const unitMs = { ms: 1, s: secondMs, m: minuteMs, h: hourMs, d: dayMs } as const;

/**
 * Parses `90s`, `10m`, `24h`, `7d`, `250ms` or a sum such as `1h30m`.
 * @returns milliseconds, or undefined when the text is not a duration
 */
export function parseDuration(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    total += Number(amount) * unitMs[unit as keyof typeof unitMs];
  }
  return total;
}

/** `86400000` reads `24h`, `5400000` reads `1h30m`, `400` reads `400ms`; two units at most, rounded down. */
export function formatDuration(ms: number): string {
  if (ms < secondMs) return `${Math.max(0, Math.round(ms))}ms`;
  if (ms < minuteMs) return `${Number((ms / secondMs).toFixed(1))}s`;
  const wholeMinutes = Math.floor(ms / minuteMs);
  if (ms < hourMs) {
    const seconds = Math.floor((ms % minuteMs) / secondMs);
    return seconds === 0 ? `${wholeMinutes}m` : `${wholeMinutes}m${seconds}s`;
  }
  const hours = Math.floor(ms / hourMs);
  if (hours > 48) {
    const rest = hours % 24;
    return rest === 0 ? `${hours / 24}d` : `${Math.floor(hours / 24)}d${rest}h`;
  }
  const minutes = wholeMinutes % 60;
  return minutes === 0 ? `${hours}h` : `${hours}h${minutes}m`;
}
