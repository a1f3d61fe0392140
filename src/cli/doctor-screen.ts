import type { Finding } from '../api/doctor.ts';
import { table } from './table.ts';
import { paint } from './terminal.ts';
import type { Terminal } from './terminal.ts';

type Screen = Pick<Terminal, 'isTerminal' | 'colors' | 'columns' | 'rows'>;

/** What a terminal has that does not say. */
const usualRows = 24;
const usualColumns = 80;
/** The first line, the last two, and the prompt below them. */
const frameRows = 4;

const colors = { ok: 'green', warn: 'amber', fail: 'red' } as const;
const order = { fail: 0, warn: 1, ok: 2 } as const;

/** One trouble, with everyone who has it: forty hosted VMs without demand are one line. */
type Trouble = Pick<Finding, 'verdict' | 'text' | 'mend'> & { readonly groups: string[] };

/**
 * What stands between this installation and `mode: act`, on one screen: worst first, grouped by what it is about, each with
 * what mends it; what does not fit and what passed is counted. With `all` everything, however long.
 */
export function screen(terminal: Screen, findings: readonly Finding[], all: boolean): string {
  const passed = findings.filter(({ verdict }) => verdict === 'ok');
  const troubles = troublesOf(findings.filter(({ verdict }) => verdict !== 'ok'));
  const room = all ? Infinity : (terminal.rows ?? usualRows) - frameRows;
  const { lines, left } = fitted(terminal, troubles, room);
  const more = left > 0 ? [`... and ${left} more: umbra doctor --all`] : [];
  const checks = all ? passed.map((one) => marked(terminal, 'ok', `${one.group}: ${one.text}`)) : [];
  const count = `${passed.length} ${passed.length === 1 ? 'check' : 'checks'} passed`;
  const last = `${count}${all || passed.length === 0 ? '' : ': umbra doctor --all shows each'}${modes(findings)}`;
  return `${[headline(terminal, findings), ...lines, ...more, ...checks, cut(terminal, last)].join('\n')}\n`;
}

/** For a pipe: one line a finding, tabs between. */
export function rows(terminal: Screen, findings: readonly Finding[], all: boolean): string {
  const shown = findings
    .filter(({ verdict }) => all || verdict !== 'ok')
    .sort((a, b) => order[a.verdict] - order[b.verdict]);
  const passed = findings.filter(({ verdict }) => verdict === 'ok').length;
  return table(
    terminal,
    [],
    [
      ...shown.map(({ verdict, group, check, text, mend }) => [verdict, group, check, text, mend ?? '']),
      ...(all ? [] : [['ok', '-', '-', `${passed} checks passed`, '']]),
    ],
  );
}

function headline(terminal: Screen, findings: readonly Finding[]): string {
  const count = (verdict: Finding['verdict']): number =>
    troublesOf(findings.filter((one) => one.verdict === verdict)).length;
  const [fails, warns] = [count('fail'), count('warn')];
  const look = warns === 0 ? '' : `${warns} ${warns === 1 ? 'thing' : 'things'} to look at`;
  const stand = fails === 0 ? 'Nothing stands' : `${fails} ${fails === 1 ? 'thing stands' : 'things stand'}`;
  const text = `${stand} in the way of mode: act${look === '' ? '' : `; ${look}`}`;
  return paint(terminal, fails === 0 ? 'green' : 'red', cut(terminal, text));
}

function modes(findings: readonly Finding[]): string {
  const said = (mode: string): string[] =>
    findings.filter(({ check, text }) => check === 'mode' && text === `mode is ${mode}`).map(({ group }) => group);
  const parts = ['observe', 'approve'].flatMap((mode) =>
    said(mode).length === 0 ? [] : [`${mode}: ${some(said(mode))}`],
  );
  return parts.length === 0 ? '' : `. Still in mode ${parts.join('; ')}`;
}

function troublesOf(findings: readonly Finding[]): Trouble[] {
  const troubles: Trouble[] = [];
  for (const { verdict, text, mend, group } of findings) {
    const same = troubles.find((one) => one.verdict === verdict && one.text === text && one.mend === mend);
    if (same !== undefined) same.groups.push(group);
    else troubles.push({ verdict, text, groups: [group], ...(mend === undefined ? {} : { mend }) });
  }
  return troubles;
}

/** Groups in the order of their worst; of a group that has much, its part of the screen. */
function fitted(terminal: Screen, troubles: readonly Trouble[], room: number): { lines: string[]; left: number } {
  const groups = new Map<string, Trouble[]>();
  for (const trouble of [...troubles].sort((a, b) => order[a.verdict] - order[b.verdict])) {
    const group = some(trouble.groups);
    groups.set(group, [...(groups.get(group) ?? []), trouble]);
  }
  const share = Math.floor(room / Math.max(1, groups.size));
  const lines: string[] = [];
  let left = 0;
  for (const [group, own] of groups) {
    const block = [paint(terminal, 'bold', cut(terminal, group))];
    // What groups before left over is there for this one.
    const unused = room - lines.length - share;
    const most = lines.length === 0 ? Math.max(share, room / 2) : Math.max(share, unused / 2);
    const shown = own.filter((trouble) => {
      const more = troubleLines(terminal, trouble);
      const fits = block.length + more.length <= most && lines.length + block.length + more.length <= room;
      if (fits) block.push(...more);
      return fits;
    });
    if (shown.length > 0) lines.push(...block);
    left += own.length - shown.length;
  }
  return { lines, left };
}

function troubleLines(terminal: Screen, { verdict, text, mend }: Trouble): string[] {
  const first = marked(terminal, verdict, text);
  if (mend === undefined) return [first];
  // A command is to be copied: it goes on in the next line rather than being cut.
  const width = widthOf(terminal) - mendIndent.length;
  const parts = oneLine(mend).match(new RegExp(`.{1,${width}}(?:\\s|$)|\\S{${width}}`, 'g')) ?? [];
  return [first, ...parts.map((part) => mendIndent + part.trimEnd())];
}

const mendIndent = ' '.repeat(8);

function marked(terminal: Screen, verdict: Finding['verdict'], text: string): string {
  const rest = cut(terminal, `  ${verdict.padEnd(6)}${text}`).slice(2 + verdict.length);
  return `  ${paint(terminal, colors[verdict], verdict)}${rest}`;
}

function some(names: readonly string[]): string {
  const unique = [...new Set(names)];
  return unique.length <= 3 ? unique.join(', ') : `${unique.slice(0, 3).join(', ')} and ${unique.length - 3} more`;
}

function oneLine(text: string): string {
  return text.replace(/[\r\n\t]+/g, ' ');
}

/** Plain text only: colours are put around what has been cut. */
function cut(terminal: Screen, text: string): string {
  const line = oneLine(text);
  const width = widthOf(terminal);
  return line.length <= width ? line : `${line.slice(0, width - 1)}…`;
}

function widthOf({ columns }: Screen): number {
  return columns > 20 ? columns : usualColumns;
}
