import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import './plot.css';
import { roundAbove } from './model.ts';
import type { PlotModel, PlotSeries } from './model.ts';

export type DrawnPlot = { readonly update: (model: PlotModel) => void; readonly destroy: () => void };

/** How near to a mark the pointer must be to read it, in CSS pixels. */
const markReachPx = 8;

/** Draws a plot into `element`, fits it to the element's width and follows the colour scheme. */
export function drawPlot(element: HTMLElement, first: PlotModel): DrawnPlot {
  let model = first;
  let plot = create();

  function create(): uPlot {
    return new uPlot(
      options(element, () => model),
      dataOf(model),
      element,
    );
  }
  function again(): void {
    plot.destroy();
    plot = create();
  }

  const resize = new ResizeObserver(() => {
    if (element.clientWidth > 0 && element.clientWidth !== plot.width) plot.setSize(sizeOf(element));
  });
  resize.observe(element);
  const scheme = matchMedia('(prefers-color-scheme: dark)');
  // A canvas keeps the colours it was painted with.
  scheme.addEventListener('change', again);

  return {
    update: (next) => {
      const sameSeries = next.series.map((each) => each.label).join() === model.series.map((each) => each.label).join();
      model = next;
      if (sameSeries) plot.setData(dataOf(next));
      else again();
    },
    destroy: () => {
      resize.disconnect();
      scheme.removeEventListener('change', again);
      plot.destroy();
    },
  };
}

function dataOf(model: PlotModel): uPlot.AlignedData {
  return [[...model.times], ...model.series.map((each) => [...each.values])];
}

function sizeOf(element: HTMLElement): { width: number; height: number } {
  const width = element.clientWidth || 640;
  return { width, height: width < 480 ? 220 : 300 };
}

function options(element: HTMLElement, model: () => PlotModel): uPlot.Options {
  const color = (tone: string): string => colorOf(element, tone);
  const readout = document.createElement('div');
  readout.className = 'plot-readout';
  const axis: uPlot.Axis = {
    stroke: color('text'),
    grid: { stroke: color('grid'), width: 1 },
    ticks: { stroke: color('grid') },
  };
  return {
    ...sizeOf(element),
    ms: 1,
    scales: {
      x: { time: true },
      y: { range: (_plot, _least, most) => [0, roundAbove(Math.max(most, model().reach))] },
    },
    axes: [
      { ...axis, space: 64, values: (_plot, splits) => splits.map(formatTick) },
      { ...axis, size: 56, values: (_plot, splits) => splits.map(model().formatAxis) },
    ],
    series: [
      { value: (_plot, at) => (Number.isFinite(at) ? formatReadout(at) : '') },
      ...model().series.map((each) => seriesOptions(each, color(each.tone), model)),
    ],
    bands: model().bands.map(({ upper, lower, tone }) => ({ series: [upper + 1, lower + 1], fill: color(tone) })),
    cursor: { drag: { x: false, y: false }, points: { size: 6 } },
    legend: { live: true },
    hooks: {
      ready: [(plot) => plot.over.append(readout)],
      drawClear: [
        (plot) => {
          const { now, missing } = model();
          for (const span of missing) hatch(plot, span.from, span.to, color('missing'));
          if (now !== null) shade(plot, now, color('future'), color('text'));
        },
      ],
      draw: [(plot) => model().marks.forEach((mark) => drawMark(plot, mark.at, color(mark.tone)))],
      setCursor: [(plot) => readMark(plot, model(), readout)],
    },
  };
}

function seriesOptions(series: PlotSeries, stroke: string, model: () => PlotModel): uPlot.Series {
  const width = { thick: 2, thin: 1, dashed: 1.5, none: 0 }[series.stroke];
  return {
    label: series.label,
    stroke,
    width,
    ...(series.stroke === 'dashed' ? { dash: [6, 4] } : {}),
    points: { show: false },
    value: (_plot, value: number | null) => (value === null ? '\u2013' : model().format(value)),
  };
}

/** The colour that CSS gives a tone just now: a canvas understands neither variables nor light-dark(). */
function colorOf(element: HTMLElement, tone: string): string {
  const probe = document.createElement('span');
  probe.className = `plot-tone-${tone}`;
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** Hours and minutes; the day where a day begins. */
function formatTick(at: number): string {
  const time = new Date(at);
  const midnight = time.getHours() === 0 && time.getMinutes() === 0;
  return midnight ? dayFormat.format(time) : timeFormat.format(time);
}

function formatReadout(at: number): string {
  return `${dayFormat.format(at)}, ${timeFormat.format(at)}`;
}

const dayFormat = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const timeFormat = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });

function shade(plot: uPlot, now: number, fill: string, line: string): void {
  const { left, top, width, height } = plot.bbox;
  const x = Math.max(left, plot.valToPos(now, 'x', true));
  if (x > left + width) return;
  const { ctx } = plot;
  ctx.save();
  ctx.fillStyle = fill;
  ctx.fillRect(x, top, left + width - x, height);
  ctx.fillStyle = line;
  ctx.fillRect(x, top, devicePixelRatio, height);
  ctx.restore();
}

function hatch(plot: uPlot, from: number, to: number, stroke: string): void {
  const { left, top, width, height } = plot.bbox;
  const start = Math.max(left, plot.valToPos(from, 'x', true));
  const end = Math.min(left + width, plot.valToPos(to, 'x', true));
  if (end <= start) return;
  const { ctx } = plot;
  const gap = 7 * devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(start, top, end - start, height);
  ctx.clip();
  ctx.strokeStyle = stroke;
  ctx.lineWidth = devicePixelRatio;
  ctx.beginPath();
  for (let x = start - height; x < end; x += gap) {
    ctx.moveTo(x, top + height);
    ctx.lineTo(x + height, top);
  }
  ctx.stroke();
  ctx.restore();
}

function drawMark(plot: uPlot, at: number, stroke: string): void {
  const { left, top, width, height } = plot.bbox;
  const x = plot.valToPos(at, 'x', true);
  if (x < left || x > left + width) return;
  const { ctx } = plot;
  const size = 5 * devicePixelRatio;
  ctx.save();
  ctx.strokeStyle = stroke;
  ctx.fillStyle = stroke;
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(x, top);
  ctx.lineTo(x, top + height);
  ctx.stroke();
  ctx.beginPath();
  ctx.moveTo(x - size, top);
  ctx.lineTo(x + size, top);
  ctx.lineTo(x, top + size * 1.6);
  ctx.fill();
  ctx.restore();
}

function readMark(plot: uPlot, model: PlotModel, readout: HTMLElement): void {
  const pointer = plot.cursor.left ?? -1;
  const near = model.marks
    .map((mark) => ({ mark, distance: Math.abs(plot.valToPos(mark.at, 'x') - pointer) }))
    .filter(({ distance }) => pointer >= 0 && distance <= markReachPx)
    .sort((a, b) => a.distance - b.distance)[0];
  readout.textContent = near?.mark.label ?? '';
  readout.hidden = near === undefined;
}
