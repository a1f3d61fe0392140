import { afterEach, describe, expect, jest, test } from '@jest/globals';
import type { Finding } from '../../../src/api/doctor.ts';
import { limitMs, looked } from '../../../src/api/looked.ts';
import { rows, screen } from '../../../src/cli/doctor-screen.ts';
import { run } from '../../../src/cli/program.ts';
import { startWorld } from '../api/harness.ts';
import { fakeTerminal } from './terminal.ts';

const finding = (group: string, verdict: Finding['verdict'], text: string, mend?: string): Finding => ({
  ...{ check: 'check', subject: group, group, verdict, text },
  ...(mend === undefined ? {} : { mend }),
});
const terminal = { isTerminal: true, colors: false, columns: 80, rows: 24 };
const grant = (n: number): string =>
  `pveum role modify Umbra --privs VM.Config.Number${n} --append 1 && pveum acl modify /pool/umbra --tokens 'umbra@pve!umbra' --roles Umbra`;

const everything: Finding[] = [
  ...Array.from({ length: 20 }, (_, n) => finding('Umbra', 'ok', `well ${n}`)),
  finding('blog', 'warn', 'nobody asked for it in the last hour', 'docs/name-servers.md'),
  finding('shop', 'warn', 'nobody asked for it in the last hour', 'docs/name-servers.md'),
  ...Array.from({ length: 14 }, (_, n) =>
    finding('cluster lab', 'fail', `VM.Config.Number${n} is missing on /pool/umbra`, grant(n)),
  ),
  finding('shop', 'fail', 'the health check fails from here: refused', 'write a check that answers'),
  { ...finding('shop', 'ok', 'mode is observe'), check: 'mode' },
];

describe('what doctor shows on a terminal', () => {
  test('is one screen, worst first, with what mends it, and a line for what passed', () => {
    const text = screen(terminal, everything, false);
    const lines = text.split('\n');
    expect(lines.length).toBeLessThanOrEqual(24);
    expect(lines.every((line) => line.length <= 80)).toBe(true);
    expect(lines[0]).toBe('15 things stand in the way of mode: act; 1 thing to look at');
    expect(lines[1]).toBe('cluster lab');
    expect(text.indexOf('fail')).toBeLessThan(text.indexOf('warn'));
    expect(text).toContain(
      'shop\n  fail  the health check fails from here: refused\n        write a check that answers',
    );
    expect(text).toContain('blog, shop\n  warn  nobody asked');
    expect(text).toMatch(/\.\.\. and \d+ more: umbra doctor --all/);
    expect(text).toContain('21 checks passed: umbra doctor --all shows each. Still in mode observe: shop');
  });

  test('a mend can be copied whole', () => {
    const text = screen(terminal, [finding('cluster lab', 'fail', 'a right is missing', grant(1))], false);
    expect(text.replace(/\n {8}/g, ' ')).toContain(grant(1));
  });

  test('with --all is everything', () => {
    const text = screen(terminal, everything, true);
    expect(text.match(/ is missing on /g)).toHaveLength(14);
    expect(text).toContain('ok    Umbra: well 19');
  });

  test('is one quiet page when all is well', () => {
    expect(screen(terminal, everything.slice(0, 20), false)).toBe(
      'Nothing stands in the way of mode: act\n20 checks passed: umbra doctor --all shows each\n',
    );
  });

  test('colours take no room and cut nothing', () => {
    const coloured = screen({ ...terminal, colors: true }, everything, false);
    // eslint-disable-next-line no-control-regex -- it looks for colours
    expect(coloured.replace(/\u001b\[\d*m/g, '')).toBe(screen(terminal, everything, false));
  });

  test.each([8, 12, 24, 50, 200])('fits a screen of %i lines', (height) => {
    const text = screen({ ...terminal, rows: height }, everything, false);
    expect(text.split('\n').length).toBeLessThanOrEqual(height);
  });

  test('is plain lines in a pipe', () => {
    const lines = rows({ ...terminal, isTerminal: false }, everything, false)
      .trimEnd()
      .split('\n');
    expect(lines).toHaveLength(18);
    expect(lines[0]).toMatch(/^fail\tcluster lab\tcheck\tVM\.Config\.Number0 .*\tpveum role/);
    expect(lines.at(-1)).toBe('ok\t-\t-\t21 checks passed');
  });
});

describe('one look', () => {
  const about = { check: 'dns', subject: 'x', group: 'zone x' };
  afterEach(() => {
    jest.useRealTimers();
  });

  test('at something that never answers ends within its limit, and is given up', async () => {
    jest.useFakeTimers();
    let givenUp = false;
    const look = looked(about, (signal) => {
      signal.addEventListener('abort', () => (givenUp = true));
      return new Promise<never>(() => undefined);
    });
    await jest.advanceTimersByTimeAsync(limitMs);
    expect((await look).failed).toMatchObject({ ...about, verdict: 'fail', text: 'no answer within 5s' });
    expect(givenUp).toBe(true);
  });

  test('that fails is a finding', async () => {
    const look = await looked(about, () => Promise.reject(new Error('refused')), 'mend it');
    expect(look.failed).toEqual({ ...about, verdict: 'fail', text: 'refused', mend: 'mend it' });
  });
});

test('the command shows the screen of a running Umbra and fails when something stands in the way', async () => {
  const world = await startWorld({ doctor: () => Promise.resolve(everything) });
  const there = fakeTerminal({ api: world.api.url, isTerminal: true, columns: 80, now: Date.now });
  const piped = fakeTerminal({ api: world.api.url, now: Date.now });
  expect(await run(['doctor'], there)).toBe(1);
  expect(await run(['doctor', '--json'], piped)).toBe(1);
  await world.api.close();
  expect(there.said.out).toContain('15 things stand in the way of mode: act');
  const findings = JSON.parse(piped.said.out) as Finding[];
  expect(findings.length).toBe(everything.length + 2);
  expect(findings.at(-1)).toEqual(everything.at(-1));
});
