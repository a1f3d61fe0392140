import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseSeries } from '../src/planning/backtest/series.ts';
import { before, stepsPerDay } from '../src/planning/forecast/history.ts';
import type { ModelState } from '../src/planning/forecast/model.ts';
import { correctionFeatures } from '../src/planning/forecast/own/correction.ts';
import { explainSteps, ownModel } from '../src/planning/forecast/own/own.ts';
import { fitBoosted } from '../src/planning/forecast/own/trees.ts';
import type { Boosted } from '../src/planning/forecast/own/trees.ts';

// Trains the correction of our own model ("R2") on a folder of CSVs (timestamp,value at 5 minutes), offline:
//   npx tsx tools/train-correction.ts FOLDER
// Only the first three quarters of each series are read, so that the last quarter stays a fair test. Every series weighs the
// same. The result is halved: trained on a dozen series it is only half as right on a series it has not seen
// (leave one series out, docs/measurements/foresight.md).

/** Steps ahead that are taught. */
const taughtSteps = [1, 2, 3, 5, 8, 12, 18, 24, 36, 48, 60, 72];
const rowsPerSeries = 2_000;
const shrink = 0.5;
const boost = {
  trees: 30,
  leaves: 8,
  rate: 0.05,
  leastRows: 800,
  bins: 48,
  rowShare: 0.7,
  columnShare: 0.8,
  seed: 7,
  startAtQuantile: false,
};

type Row = { readonly features: Float64Array; readonly misses: readonly number[]; weight: number };

/** What the model said of the past of one series, refitted daily, and by how much each quantile missed. */
function rowsOf(text: string): Row[] {
  const { series } = parseSeries(text);
  const perDay = stepsPerDay(series.stepMs);
  const end = Math.floor(series.qps.length * 0.75) - taughtSteps.at(-1)!;
  const model = ownModel();
  const rows: Row[] = [];
  let state: ModelState | undefined;
  let fittedAt = -Infinity;
  for (let origin = Math.max(5 * perDay, Math.min(18 * perDay, end - 20 * perDay)); origin < end; origin += 12) {
    const history = before(series, origin);
    if (origin - fittedAt >= perDay) {
      const fitted = model.fit(history, state);
      if ('kind' in fitted) continue;
      state = fitted;
      fittedAt = origin;
    }
    for (const step of explainSteps(state!, before(series, origin, 50 * perDay), taughtSteps)) {
      const actual = Math.sqrt(series.qps[origin + step.h - 1] ?? NaN);
      if (!Number.isFinite(actual)) continue;
      const misses = [step.quantiles[1]!, step.quantiles[2]!, step.quantiles[4]!].map((quantile) =>
        Math.min(20, Math.max(-20, (actual - quantile) / step.reference)),
      );
      rows.push({ features: correctionFeatures(step), misses, weight: 1 });
    }
  }
  const stride = Math.max(1, Math.ceil(rows.length / rowsPerSeries));
  const kept = rows.filter((_, index) => index % stride === 0);
  for (const row of kept) row.weight = 1_000 / kept.length;
  return kept;
}

function halved(model: Boosted): Boosted {
  const short = (value: number): number => Number(value.toPrecision(4));
  const trees = model.trees.map((tree) => ({
    ...tree,
    threshold: tree.threshold.map(short),
    value: tree.value.map((value) => short(value * shrink)),
  }));
  return { start: short(model.start * shrink), trees };
}

const [folder, out = 'src/planning/forecast/own/correction-trees.ts'] = process.argv.slice(2);
if (folder === undefined)
  throw new Error('give a folder of CSV files: npx tsx tools/train-correction.ts FOLDER [OUT.ts]');
const rows: Row[] = [];
for (const file of readdirSync(folder).filter((name) => name.endsWith('.csv'))) {
  const text = readFileSync(join(folder, file), 'utf8');
  if (!text.startsWith('timestamp,value')) continue;
  const more = rowsOf(text);
  process.stderr.write(`${file}: ${more.length} rows\n`);
  rows.push(...more);
}
const width = rows[0]?.features.length ?? 0;
const columns = Array.from({ length: width }, (_, column) => Float64Array.from(rows, (row) => row.features[column]!));
const weights = Float64Array.from(rows, (row) => row.weight);
const train = (index: number, level: number): Boosted =>
  halved(
    fitBoosted(
      { columns, targets: Float64Array.from(rows, (row) => row.misses[index]!), weights },
      { ...boost, level },
    ),
  );
const correction = { p50: train(0, 0.5), p90: train(1, 0.9), p99: train(2, 0.99) };
writeFileSync(
  out,
  `import type { Correction } from './correction.ts';\n\n/** Trained by tools/train-correction.ts on ${rows.length} forecasts of public series; see docs/foresight.md. */\nexport const shippedCorrection = JSON.parse(\n  '${JSON.stringify(correction)}',\n) as Correction;\n`,
);
process.stderr.write(`${rows.length} rows, written to ${out}\n`);
