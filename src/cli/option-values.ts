import { InvalidArgumentError } from 'commander';
import { dayMs, parseDuration } from '../domain/time.ts';

/*
 * How options of backtest and tune are read.
 */

export function duration(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms < 1_000 || ms > 60 * dayMs)
    throw new InvalidArgumentError(`"${text}" is not a duration such as 5m, 1h, 6h`);
  return ms;
}

export function count(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1)
    throw new InvalidArgumentError(`"${text}" is not a whole number above 0`);
  return number;
}

export function rate(text: string): number {
  const number = Number(text);
  if (!(number > 0) || !Number.isFinite(number)) throw new InvalidArgumentError(`"${text}" is not a number above 0`);
  return number;
}
