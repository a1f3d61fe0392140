import { describe, expect, test } from '@jest/globals';
import { sparkline, table } from '../../../src/cli/table.ts';

const terminal = { isTerminal: true, colors: false, columns: 80 };

describe('a table', () => {
  test('is aligned by characters, not bytes, and never broken by what stands in a cell', () => {
    const rows = [
      ['bücher', '1'],
      ['x\ny', '22'],
    ];
    expect(table(terminal, ['ID', 'N'], rows)).toBe('ID      N\nbücher  1\nx y     22\n');
    expect(table({ ...terminal, isTerminal: false }, ['ID', 'N'], rows)).toBe('bücher\t1\nx y\t22\n');
  });
});

describe('a sparkline', () => {
  test('rises from zero, and shows what is missing as a gap', () => {
    expect(sparkline([0, 1, null, 2, 4], 10)).toBe('▁▃ ▅█');
    expect(sparkline([0, 0], 10)).toBe('▁▁');
    expect(sparkline([], 10)).toBe('');
  });

  test('folds a long series into the width, and one value into its mean', () => {
    const series = Array.from({ length: 1000 }, (_, i) => i);
    expect(Array.from(sparkline(series, 50))).toHaveLength(50);
  });
});
