/** `412 q/s`, `1.24k q/s`, `0.4 q/s`; a missing value is said, never drawn as zero. */
export function formatQps(qps: number | null): string {
  return qps === null || !Number.isFinite(qps) ? 'no data' : `${formatCount(qps)} q/s`;
}

/** Three significant digits, thousands as `k`, millions as `M`. */
export function formatCount(value: number): string {
  const size = Math.abs(value);
  if (size >= 999_500) return `${threeDigits(value / 1e6)}M`;
  if (size >= 9_995) return `${threeDigits(value / 1e3)}k`;
  return size >= 100 ? String(Math.round(value)) : threeDigits(value);
}

export function formatPercent(share: number | null, digits = 0): string {
  return share === null || !Number.isFinite(share) ? 'unknown' : `${(share * 100).toFixed(digits)}%`;
}

/** Risk is 0..1 inside and 0-100 on screen. */
export function formatRisk(score: number): string {
  const points = score * 100;
  return points > 0 && points < 1 ? '<1' : String(Math.round(points));
}

export function formatMiB(mebibytes: number): string {
  return mebibytes >= 1024 ? `${threeDigits(mebibytes / 1024)} GiB` : `${Math.round(mebibytes)} MiB`;
}

/** `1 shadow`, `3 shadows`. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`;
}

function threeDigits(value: number): string {
  return String(Number(value.toPrecision(3)));
}
