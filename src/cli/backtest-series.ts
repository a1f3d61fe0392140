import { readFile } from 'node:fs/promises';
import type { DemandSeries } from '../domain/demand.ts';
import { formatDuration, minuteMs } from '../domain/time.ts';
import { parseSeries, rollingOrigins, summed } from '../planning/backtest/series.ts';
import type { ReadSeries } from '../planning/backtest/series.ts';
import { stepsPerDay } from '../planning/forecast/history.ts';
import { Ending, exitCodes } from './exit.ts';

/** How `--vm ID` finds demand; the program that mounts the command gives it. Steps as asked, up to now. */
export type LoadSeries = (hostedVmId: string, stepMs: number) => Promise<DemandSeries>;

export type SeriesOptions = { readonly series?: string; readonly vm?: string; readonly step?: number };

/** Reads `--series` or `--vm` and brings it to the asked step. */
export async function readSeries(options: SeriesOptions, loadSeries: LoadSeries | undefined): Promise<ReadSeries> {
  const { series: file, vm, step } = options;
  if ((file === undefined) === (vm === undefined))
    throw new Ending(exitCodes.usage, 'give either --series FILE or --vm ID');
  if (vm !== undefined) {
    if (loadSeries === undefined)
      throw new Ending(exitCodes.usage, '--vm needs a running instance; here only --series FILE works');
    return { series: await loadSeries(vm, step ?? 5 * minuteMs), notes: [] };
  }
  const text = await textOf(file!);
  let read: ReadSeries;
  try {
    read = parseSeries(text);
  } catch (error) {
    throw new Ending(exitCodes.usage, `${file!}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  if (step === undefined || step === read.series.stepMs) return read;
  if (step < read.series.stepMs || step % read.series.stepMs !== 0) {
    const width = formatDuration(read.series.stepMs);
    throw new Ending(
      exitCodes.usage,
      `${file!} has steps of ${width}; --step ${formatDuration(step)} is not a multiple of it`,
    );
  }
  return { series: summed(read.series, step), notes: [...read.notes, `summed to steps of ${formatDuration(step)}`] };
}

/** The moments that are forecast from: of `--origins-file`, else spread over the last quarter. */
export async function originsOf(
  options: { readonly origins?: number; readonly originsFile?: string },
  series: DemandSeries,
  horizonSteps: number,
): Promise<number[]> {
  if (options.originsFile === undefined) {
    const origins = rollingOrigins(series, horizonSteps, options.origins);
    if (origins.length === 0) {
      const days = (series.qps.length / stepsPerDay(series.stepMs)).toFixed(1);
      throw new Ending(
        exitCodes.usage,
        `${days} days are too short: the last quarter must hold one horizon of ${horizonSteps} steps`,
      );
    }
    return origins;
  }
  const file = options.originsFile;
  const origins = (await textOf(file))
    .split(/\r?\n/)
    .map((line, index) => ({ text: line.trim(), line: index + 1 }))
    .filter((entry) => entry.text !== '' && !(entry.line === 1 && entry.text === 'origin'))
    .map((entry) => {
      const origin = Number(entry.text);
      if (!Number.isInteger(origin) || origin < 2 || origin > series.qps.length) {
        throw new Ending(
          exitCodes.usage,
          `${file}:${entry.line}: "${entry.text}" is not an origin from 2 to ${series.qps.length}`,
        );
      }
      return origin;
    });
  if (origins.length === 0) throw new Ending(exitCodes.usage, `${file} names no origin`);
  return [...new Set(origins)].sort((left, right) => left - right);
}

async function textOf(file: string): Promise<string> {
  return await readFile(file, 'utf8').catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    throw new Ending(exitCodes.usage, `cannot read ${file}: ${why}`, { cause: error });
  });
}
