import { useEffect, useRef, useState } from 'preact/hooks';
import { formatDuration } from '../../domain/time.ts';
import { drawPlot } from '../plot/draw.ts';
import type { DrawnPlot } from '../plot/draw.ts';
import { plotTable } from '../plot/model.ts';
import type { PlotModel } from '../plot/model.ts';
import { formatMoment, formatUtc } from '../text/when.ts';

const mostTableRows = 72;

/** A plot with its title above and its figures in a table behind it. */
export function PlotView({ model }: { readonly model: PlotModel }) {
  const place = useRef<HTMLDivElement>(null);
  const drawn = useRef<DrawnPlot>(undefined);
  useEffect(() => {
    if (place.current === null) return undefined;
    drawn.current = drawPlot(place.current, model);
    return () => drawn.current?.destroy();
  }, []);
  useEffect(() => drawn.current?.update(model), [model]);
  return (
    <figure class="plot-figure">
      <figcaption>{model.title}</figcaption>
      <div class="plot" ref={place} role="img" aria-label={`${model.title}. The table below has the figures.`} />
      <PlotTable model={model} />
    </figure>
  );
}

function PlotTable({ model }: { readonly model: PlotModel }) {
  const [open, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Figures as a table</summary>
      {open ? <PlotFigures model={model} /> : null}
    </details>
  );
}

function PlotFigures({ model }: { readonly model: PlotModel }) {
  const { every, rows } = plotTable(model, mostTableRows);
  const stepMs = rows.length > 1 ? rows[1]!.at - rows[0]!.at : 0;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={`${model.title}: figures`}>
      <table>
        <caption>{every === 1 ? 'Every value' : `One value every ${formatDuration(stepMs)}`}, oldest first</caption>
        <thead>
          <tr>
            <th scope="col">Time</th>
            {model.series.map(({ label }) => (
              <th scope="col" class="number" key={label}>
                {label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ at, cells }) => (
            <tr key={at}>
              <th scope="row">
                <time title={formatUtc(at)}>{formatMoment(at)}</time>
              </th>
              {cells.map((cell, index) => (
                <td class="number" key={index}>
                  {cell}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
