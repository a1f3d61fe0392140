import { paint } from './terminal.ts';
import type { Color, Terminal } from './terminal.ts';

export type Cell = string | { readonly text: string; readonly color: Color };

/**
 * Rows under headings, aligned, for a terminal; when piped, one line a row with tabs between, without headings,
 * as cut and awk like it.
 */
export function table(
  terminal: Pick<Terminal, 'isTerminal' | 'colors' | 'columns'>,
  headings: readonly string[],
  rows: readonly (readonly Cell[])[],
): string {
  const texts = rows.map((row) => row.map(textOf));
  if (!terminal.isTerminal) return texts.map((row) => `${row.map(oneLine).join('\t')}\n`).join('');
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...texts.map((row) => widthOf(row[column] ?? ''))),
  );
  const line = (cells: readonly Cell[], color?: Color): string => {
    const parts = cells.map((cell, column) => {
      const text = oneLine(textOf(cell));
      const padding = column === cells.length - 1 ? '' : ' '.repeat(Math.max(0, (widths[column] ?? 0) - widthOf(text)));
      const wanted = color ?? (typeof cell === 'string' ? undefined : cell.color);
      return (wanted === undefined ? text : paint(terminal, wanted, text)) + padding;
    });
    return `${parts.join('  ').trimEnd()}\n`;
  };
  return line(headings, 'bold') + rows.map((row) => line(row)).join('');
}

function textOf(cell: Cell): string {
  return typeof cell === 'string' ? cell : cell.text;
}

function oneLine(text: string): string {
  return text.replace(/[\r\n\t]+/g, ' ');
}

function widthOf(text: string): number {
  return Array.from(text).length;
}

const bars = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/** A series in one line, from zero up; what is missing is a gap. @param width most characters */
export function sparkline(values: readonly (number | null)[], width: number): string {
  const each = Math.max(1, Math.ceil(values.length / Math.max(1, width)));
  const groups = Array.from({ length: Math.ceil(values.length / each) }, (_, i) =>
    values.slice(i * each, (i + 1) * each),
  );
  const means = groups.map((group) => {
    const known = group.filter((value) => value !== null);
    return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
  });
  const top = Math.max(...means.map((mean) => mean ?? 0), Number.MIN_VALUE);
  return means
    .map((mean) =>
      mean === null ? ' ' : (bars[Math.min(bars.length - 1, Math.floor((mean / top) * bars.length))] ?? ''),
    )
    .join('');
}
