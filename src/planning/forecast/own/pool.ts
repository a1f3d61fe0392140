import { columnCount } from './members.ts';

/**
 * Honest errors of one node: what the members said of targets that they had not seen when they were fitted.
 * Parallel columns; a row is one target.
 */
export type PoolNode = {
  /** Steps since the epoch of the target. */
  readonly at: number[];
  /** Root of demand as it came. */
  readonly actual: number[];
  /** The members' forecasts, then those of the trees for 0.9, root scale. */
  readonly members: number[][];
  /** Log of recent volatility, short mean and day mean at the origin. */
  readonly volatility: number[];
  readonly short: number[];
  readonly day: number[];
};

export function emptyPoolNode(perDay: number): PoolNode {
  const members = Array.from({ length: columnCount(perDay) }, () => []);
  return { at: [], actual: [], members, volatility: [], short: [], day: [] };
}

/** Drops what is older than `oldest` (steps since the epoch). */
export function trimmed(node: PoolNode, oldest: number): PoolNode {
  const from = node.at.findIndex((at) => at >= oldest);
  if (from === 0) return node;
  const keep = (column: readonly number[]): number[] => (from < 0 ? [] : column.slice(from));
  return {
    at: keep(node.at),
    actual: keep(node.actual),
    members: node.members.map(keep),
    volatility: keep(node.volatility),
    short: keep(node.short),
    day: keep(node.day),
  };
}
