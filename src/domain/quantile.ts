/** The quantiles every forecast answers, in this order. */
export const quantileLevels = [0.1, 0.5, 0.9, 0.95, 0.99] as const;
export type Quantile = (typeof quantileLevels)[number];

/** Of five things in the order of `quantileLevels` the one of this level: a value of one step, or a path of many. */
export function atLevel<T>(values: readonly T[], level: Quantile): T {
  return values[places[level]]!;
}

const places = Object.fromEntries(quantileLevels.map((level, place) => [level, place])) as Readonly<
  Record<Quantile, number>
>;
