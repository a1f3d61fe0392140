import { readSurroundings } from '../config.ts';
import type { Surroundings } from '../config.ts';

/** Where verbs read and write; a test gives its own. */
export type Terminal = {
  /** Standard output: what was asked for. */
  out(text: string): void;
  /** Standard error: everything else. */
  err(text: string): void;
  /** Whether standard output is a terminal: aligned and coloured there, plain when piped. */
  readonly isTerminal: boolean;
  readonly columns: number;
  /** Lines of the screen; undefined where there is none. */
  readonly rows?: number;
  readonly colors: boolean;
  readonly surroundings: Surroundings;
  now(): number;
  readStdin(): Promise<string>;
  /** Ends when the user presses Ctrl-C or the process is asked to end. */
  readonly interrupted: AbortSignal;
};

export function realTerminal(): Terminal {
  const surroundings = readSurroundings();
  const isTerminal = process.stdout.isTTY;
  const ending = new AbortController();
  const end = (): void => {
    // Asked twice means now.
    if (ending.signal.aborted) process.exit(130);
    ending.abort();
  };
  let listening = false;
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    isTerminal,
    columns: isTerminal ? process.stdout.columns : 0,
    ...(isTerminal ? { rows: process.stdout.rows } : {}),
    colors: isTerminal && !surroundings.noColor,
    surroundings,
    now: Date.now,
    readStdin: async () => {
      let text = '';
      for await (const chunk of process.stdin.setEncoding('utf8')) text += String(chunk);
      return text;
    },
    get interrupted() {
      // Verbs that never look at it are ended by Ctrl-C as any other program.
      if (!listening) {
        process.on('SIGINT', end);
        process.on('SIGTERM', end);
        listening = true;
      }
      return ending.signal;
    },
  };
}

export type Color = 'green' | 'blue' | 'amber' | 'red' | 'grey' | 'bold';

const codes: Readonly<Record<Color, string>> = {
  green: '32',
  blue: '34',
  amber: '33',
  red: '31',
  grey: '90',
  bold: '1',
};

export function paint(terminal: Pick<Terminal, 'colors'>, color: Color, text: string): string {
  return terminal.colors ? `\u001b[${codes[color]}m${text}\u001b[0m` : text;
}
