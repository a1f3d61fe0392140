import type { DemandSeries } from '../../domain/demand.ts';
import { atLevel, quantileLevels } from '../../domain/quantile.ts';
import type { Scores } from '../forecast/score.ts';
import type { CalibrationReport } from '../risk/calibration.ts';
import { hitRate, paretoFront, wantedHits } from './plan-replay.ts';
import type { FixedPlan, PlanOutcome } from './plan-replay.ts';
import { bestTrial, relativeScores } from './rolling.ts';
import type { OriginAnswer, Trial } from './rolling.ts';
import type { Quantile } from '../../domain/quantile.ts';

/** What the report tells. */
export type ReportFacts = {
  readonly title: string;
  readonly series: DemandSeries;
  readonly notes: readonly string[];
  readonly trials: readonly Trial[];
  readonly baseline: Trial;
  readonly horizonSteps: number;
  readonly plans?: readonly PlanOutcome[];
  /** Policies whose threshold was fixed before the part that judges. */
  readonly fixed?: readonly FixedPlan[];
  /** Memory of one shadow, to tell costs in GiB-hours. */
  readonly memoryMiB?: number;
  readonly capacity?: number;
  readonly calibration?: CalibrationReport;
  readonly writtenAt: number;
};

const escape = (text: string): string =>
  text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]!);
const round = (value: number, digits = 3): string => (Number.isFinite(value) ? value.toFixed(digits) : '-');

const width = 720;
const height = 260;
const edge = { left: 56, right: 12, top: 10, bottom: 30 };

type Axis = { readonly low: number; readonly high: number; readonly label: string };

/** An SVG plot of its own: axes, five ticks each, and what is drawn inside. */
function plot(
  x: Axis,
  y: Axis,
  draw: (px: (v: number) => number, py: (v: number) => number) => string,
  tick: (v: number) => string,
): string {
  const px = (v: number): number =>
    edge.left + ((v - x.low) / (x.high - x.low || 1)) * (width - edge.left - edge.right);
  const py = (v: number): number =>
    height - edge.bottom - ((v - y.low) / (y.high - y.low || 1)) * (height - edge.top - edge.bottom);
  const ticks = [0, 0.25, 0.5, 0.75, 1];
  const axes = ticks
    .map((share) => {
      const vx = x.low + share * (x.high - x.low);
      const vy = y.low + share * (y.high - y.low);
      return (
        `<text x="${px(vx).toFixed(1)}" y="${height - 12}" text-anchor="middle">${escape(tick(vx))}</text>` +
        `<line class="grid" x1="${edge.left}" x2="${width - edge.right}" y1="${py(vy).toFixed(1)}" y2="${py(vy).toFixed(1)}"/>` +
        `<text x="${edge.left - 6}" y="${(py(vy) + 4).toFixed(1)}" text-anchor="end">${Number(vy.toPrecision(3))}</text>`
      );
    })
    .join('');
  return (
    `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escape(`${y.label} by ${x.label}`)}">${axes}${draw(px, py)}` +
    `<text x="${width - edge.right}" y="${height}" text-anchor="end">${escape(x.label)}</text>` +
    `<text x="4" y="${edge.top + 4}">${escape(y.label)}</text></svg>`
  );
}

function line(points: readonly (readonly [number, number])[], kind: string): string {
  return `<polyline class="${kind}" points="${points.map(([a, b]) => `${a.toFixed(1)},${b.toFixed(1)}`).join(' ')}"/>`;
}

/** Demand and the bands of forecasts that do not overlap, over the newest part of the trial. */
function bandPlot(facts: ReportFacts, trial: Trial): string {
  const { series, horizonSteps, capacity } = facts;
  const apart: OriginAnswer[] = [];
  for (const answer of [...trial.answers].reverse()) {
    if (apart.length < 8 && (apart.length === 0 || answer.origin + horizonSteps <= apart.at(-1)!.origin))
      apart.push(answer);
  }
  if (apart.length === 0) return '<p>No forecast was made.</p>';
  const from = Math.max(0, apart.at(-1)!.origin - horizonSteps);
  const to = Math.min(series.qps.length, apart[0]!.origin + horizonSteps);
  const shown = series.qps.slice(from, to);
  const highs = apart.flatMap(({ forecast }) => atLevel(forecast.values, 0.99));
  const high = Math.max(...shown.filter(Number.isFinite), ...highs, capacity ?? 0) * 1.05 || 1;
  const tick = (step: number): string =>
    new Date(series.start + step * series.stepMs).toISOString().slice(5, 16).replace('T', ' ');
  return plot(
    { low: from, high: to, label: 'time (UTC)' },
    { low: 0, high, label: 'demand' },
    (px, py) => {
      const bands = apart.map(({ origin, forecast }) => {
        const area = (low: Quantile, up: Quantile, kind: string): string => {
          const upper = atLevel(forecast.values, up).map((v, i) => `${px(origin + i).toFixed(1)},${py(v).toFixed(1)}`);
          const lower = atLevel(forecast.values, low)
            .map((v, i) => `${px(origin + i).toFixed(1)},${py(v).toFixed(1)}`)
            .reverse();
          return `<polygon class="${kind}" points="${[...upper, ...lower].join(' ')}"/>`;
        };
        const middle = atLevel(forecast.values, 0.5).map((v, i) => [px(origin + i), py(v)] as const);
        return area(0.1, 0.99, 'tail') + area(0.1, 0.9, 'band') + line(middle, 'middle');
      });
      const runs: (readonly [number, number])[][] = [[]];
      shown.forEach((value, index) => {
        if (Number.isFinite(value)) runs.at(-1)!.push([px(from + index), py(value)]);
        else if (runs.at(-1)!.length > 0) runs.push([]);
      });
      const limit =
        capacity === undefined
          ? ''
          : line(
              [
                [px(from), py(capacity)],
                [px(to), py(capacity)],
              ],
              'limit',
            );
      return bands.join('') + runs.map((run) => line(run, 'demand')).join('') + limit;
    },
    tick,
  );
}

/** Share of steps at or below each quantile, which should be its level. */
export function reliabilityOf(
  series: DemandSeries,
  answers: readonly OriginAnswer[],
): { level: number; observed: number }[] {
  return quantileLevels.map((level, index) => {
    let under = 0;
    let steps = 0;
    for (const { origin, forecast } of answers) {
      forecast.values[index]!.forEach((value, step) => {
        const actual = series.qps[origin + step];
        if (actual === undefined || !Number.isFinite(actual)) return;
        steps += 1;
        if (actual <= value) under += 1;
      });
    }
    return { level, observed: steps > 0 ? under / steps : NaN };
  });
}

function diagonalPlot(points: readonly { x: number; y: number }[], xLabel: string, yLabel: string): string {
  return plot(
    { low: 0, high: 1, label: xLabel },
    { low: 0, high: 1, label: yLabel },
    (px, py) =>
      line(
        [
          [px(0), py(0)],
          [px(1), py(1)],
        ],
        'ideal',
      ) +
      line(
        points.map(({ x, y }) => [px(x), py(y)] as const),
        'middle',
      ) +
      points.map(({ x, y }) => `<circle cx="${px(x).toFixed(1)}" cy="${py(y).toFixed(1)}" r="4"/>`).join(''),
    (v) => v.toFixed(2),
  );
}

function paretoPlot(plans: readonly PlanOutcome[]): string {
  const most = Math.max(...plans.map(({ idleHours }) => idleHours), 1);
  const policies = [...new Set(plans.map(({ policy }) => policy))];
  const picture = plot(
    { low: 0, high: most, label: 'idle shadow-hours' },
    { low: 0, high: 1, label: 'pool-hit rate' },
    (px, py) =>
      policies
        .map((policy, index) => {
          const front = paretoFront(plans.filter((plan) => plan.policy === policy));
          const points = front.map((plan) => [px(plan.idleHours), py(hitRate(plan))] as const);
          return (
            line(points, `policy p${index}`) +
            points
              .map(([a, b]) => `<circle class="p${index}" cx="${a.toFixed(1)}" cy="${b.toFixed(1)}" r="3.5"/>`)
              .join('')
          );
        })
        .join(''),
    (v) => v.toFixed(0),
  );
  return `${picture}<p>${policies.map((policy, index) => `<span class="key p${index}">&#9679; ${escape(policy)}</span>`).join(' ')}</p>`;
}

/** What the best model's scores say; a baseline without any loss (demand that never changes) leaves nothing to compare with. */
function inWords({ rel90, coverage90 }: Scores & { readonly rel90: number }): string {
  const covers = Number.isFinite(coverage90)
    ? `demand stayed at or below its p90 in ${Math.round(coverage90 * 100)} % of steps.`
    : 'nothing that came is known.';
  if (!Number.isFinite(rel90)) return covers;
  return `its p90 loss is ${Math.round(rel90 * 100)} % of the baseline's (the same time yesterday), and ${covers}`;
}

function fixedTable(facts: ReportFacts): string {
  const fixed = facts.fixed ?? [];
  if (fixed.length === 0) return '';
  return `<p>Thresholds fixed on the second quarter of the series (${100 * wantedHits} % hits there at the fewest idle hours), judged on its second half:</p>${planTable(
    facts,
    fixed.map(({ came }) => came),
  )}`;
}

function planTable({ memoryMiB }: ReportFacts, plans: readonly PlanOutcome[]): string {
  const ram = (hours: number): string =>
    memoryMiB === undefined ? '' : `<td>${round((hours * memoryMiB) / 1024, 0)}</td>`;
  const rows = plans.map(
    (plan) =>
      `<tr><th scope="row">${escape(plan.policy)}</th><td>${plan.threshold}</td><td>${round(hitRate(plan))}</td><td>${round(plan.idleHours, 1)}</td>${ram(plan.idleHours)}<td>${plan.started}</td></tr>`,
  );
  return `<div class="wide"><table><thead><tr><th>policy</th><th>threshold</th><th>hit rate</th><th>idle hours</th>${memoryMiB === undefined ? '' : '<th>GiB-hours</th>'}<th>started</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

/** One self-contained HTML file: no script, no other file, light and dark. */
export function renderReport(facts: ReportFacts): string {
  const { trials, baseline, horizonSteps, plans, calibration } = facts;
  const best = bestTrial(facts.series, trials, baseline, horizonSteps);
  const rows = trials.map((trial) => {
    const scores = relativeScores(facts.series, trial, baseline, horizonSteps);
    return (
      `<tr><th scope="row">${escape(trial.model)}</th><td>${round(scores.rel50)}</td><td>${round(scores.rel90)}</td>` +
      `<td>${round(scores.rel99)}</td><td>${round(scores.coverage90)}</td><td>${round(scores.coverage99)}</td>` +
      `<td>${round(trial.cpuMsPerForecast, 1)}</td><td>${trial.answers.length}</td><td>${escape(trial.why ?? '')}</td></tr>`
    );
  });
  const answered = best === undefined ? '' : bandPlot(facts, best);
  const reliability = best === undefined ? [] : reliabilityOf(facts.series, best.answers);
  const planPart =
    plans === undefined
      ? ''
      : `<h2>Would a shadow have been ready?</h2>${fixedTable(facts)}${paretoPlot(plans)}<p>Every threshold on the second half, with hindsight:</p>${planTable(
          facts,
          plans.filter((plan) => plan.policy === 'static pool' || hitRate(plan) >= 0.9),
        )}`;
  const calibrationPart =
    calibration === undefined
      ? ''
      : `<h2>Does the overload score mean what it says?</h2>${diagonalPlot(
          calibration.bins.filter(({ count }) => count > 0).map(({ mean, observed }) => ({ x: mean, y: observed })),
          'score',
          'needed',
        )}<p>Brier ${round(calibration.brier, 4)}, skill ${calibration.skill === null ? 'not defined' : round(calibration.skill)} over the base rate, ${calibration.outcomes} scores, ${calibration.needs} needs.</p>`;
  const sentence =
    best === undefined
      ? 'No model could make a forecast.'
      : `${best.model} did best: ${inWords(relativeScores(facts.series, best, baseline, horizonSteps))}`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escape(facts.title)}</title>
<style>
:root{color-scheme:light dark;--ink:light-dark(#1c2430,#dfe5ec);--paper:light-dark(#fff,#12161c);--blue:light-dark(#2563a8,#7fb2e8);--grid:light-dark(#e3e7ec,#2a313b)}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:56rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse}th,td{padding:.25rem .6rem;text-align:right;border-bottom:1px solid var(--grid)}th[scope=row]{text-align:left}
.wide{overflow-x:auto}svg{width:100%;height:auto;font-size:11px;fill:var(--ink)}svg polyline{fill:none;stroke-width:1.5}
.grid{stroke:var(--grid)}.demand{stroke:var(--ink)}.middle{stroke:var(--blue)}.band{fill:var(--blue);opacity:.25}.tail{fill:var(--blue);opacity:.12}
.limit{stroke:light-dark(#b3261e,#f2887f);stroke-dasharray:6 4}.ideal{stroke:var(--grid)}circle{fill:var(--blue)}
${['#666', '#b3541e', '#7a3fa0', '#2563a8', '#1f7a4d'].map((c, i) => `.p${i}{stroke:${c};color:${c}}circle.p${i}{fill:${c}}`).join('')}
.key{margin-right:1rem}
</style></head><body>
<h1>${escape(facts.title)}</h1>
<p>${escape(sentence)}</p>
<div class="wide"><table><thead><tr><th>model</th><th>p50 loss</th><th>p90 loss</th><th>p99 loss</th><th>p90 covers</th><th>p99 covers</th><th>CPU ms</th><th>origins</th><th>note</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>
<p>Losses are weighted quantile losses relative to seasonal-naive (the same time yesterday with its own past errors); lower is better. Horizon ${horizonSteps} steps of ${facts.series.stepMs / 60_000} min.</p>
${facts.notes.length > 0 ? `<p>The series: ${escape(facts.notes.join('; '))}.</p>` : ''}
<h2>Forecasts beside what came${best === undefined ? '' : ` (${escape(best.model)})`}</h2>${answered}
<p>Dark band p10 to p90, light band to p99, line p50.</p>
<h2>Do the quantiles mean what they say?</h2>${diagonalPlot(
    reliability
      .filter(({ observed }) => Number.isFinite(observed))
      .map(({ level, observed }) => ({ x: level, y: observed })),
    'quantile',
    'share at or below',
  )}
${calibrationPart}
${planPart}
<footer><p>Written by umbra backtest on ${new Date(facts.writtenAt).toISOString().slice(0, 16).replace('T', ' ')} UTC.</p></footer>
</body></html>
`;
}
