/** What a plot shows, as a value: the same for the dashboard and the backtest report. Times are epoch milliseconds. */
export type PlotModel = {
  readonly title: string;
  /** Strictly rising. */
  readonly times: readonly number[];
  readonly series: readonly PlotSeries[];
  /** Filled between two series, named by their place in `series`. */
  readonly bands: readonly { readonly upper: number; readonly lower: number; readonly tone: Tone }[];
  readonly marks: readonly PlotMark[];
  /** Everything right of it is the future and shaded; null when all of it is the past. */
  readonly now: number | null;
  /** Spans without data, hatched so that nobody reads them as silence. */
  readonly missing: readonly { readonly from: number; readonly to: number }[];
  /** The y axis starts at zero and always reaches this, so that capacity is in view. */
  readonly reach: number;
  /** With its unit, for readouts and the table. */
  readonly format: (value: number) => string;
  /** Without it, for the axis; the title names the unit. */
  readonly formatAxis: (value: number) => string;
};

type Tone = 'demand' | 'forecast' | 'outlook' | 'band' | 'capacity' | 'model-1' | 'model-2' | 'model-3';

export type PlotSeries = {
  readonly label: string;
  readonly tone: Tone;
  readonly stroke: 'thick' | 'thin' | 'dashed' | 'none';
  /** One for each time: null is missing (a gap), undefined belongs to another series' times (no gap). */
  readonly values: readonly (number | null | undefined)[];
};

type PlotMark = { readonly at: number; readonly label: string; readonly tone: 'note' | 'warning' };

/** Puts series with times of their own onto one rising time line. */
export function onOneTimeLine(
  parts: readonly { readonly times: readonly number[]; readonly values: readonly (number | null)[] }[],
): { times: number[]; values: (number | null | undefined)[][] } {
  const times = [...new Set(parts.flatMap((part) => part.times))].sort((a, b) => a - b);
  const place = new Map(times.map((time, index) => [time, index]));
  const values = parts.map((part) => {
    const row = new Array<number | null | undefined>(times.length).fill(undefined);
    part.times.forEach((time, index) => (row[place.get(time)!] = part.values[index] ?? null));
    return row;
  });
  return { times, values };
}

/** Runs of missing values of a regular series; a run reaches from its first missing step to the end of its last. */
export function missingSpans(
  start: number,
  stepMs: number,
  values: readonly (number | null)[],
): { from: number; to: number }[] {
  const spans: { from: number; to: number }[] = [];
  values.forEach((value, index) => {
    if (value !== null) return;
    const from = start + index * stepMs;
    const last = spans.at(-1);
    if (last?.to === from) last.to = from + stepMs;
    else spans.push({ from, to: from + stepMs });
  });
  return spans;
}

/** The table behind a plot: at most `maxRows` of its times, evenly taken, every series formatted. */
export function plotTable(
  model: PlotModel,
  maxRows: number,
): { every: number; rows: { at: number; cells: string[] }[] } {
  const every = Math.max(1, Math.ceil(model.times.length / maxRows));
  const rows = model.times.flatMap((at, index) => {
    if (index % every !== 0) return [];
    const cells = model.series.map(({ values }) => {
      const value = values[index];
      if (value === undefined) return '';
      return value === null ? 'no data' : model.format(value);
    });
    return [{ at, cells }];
  });
  return { every, rows };
}

/** The lowest round number (1, 2, 2.5 or 5 times a power of ten) with some air above `value`. */
export function roundAbove(value: number): number {
  if (!(value > 0)) return 1;
  const wanted = value * 1.05;
  const power = 10 ** Math.floor(Math.log10(wanted));
  const factor = [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].find((each) => each * power >= wanted) ?? 10;
  return factor * power;
}
