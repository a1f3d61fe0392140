import { formatDuration } from '../domain/time.ts';
import type { Terminal } from './terminal.ts';

/** A bar with the time left on a terminal; a line for every tenth elsewhere. Always on standard error. */
export function progressBar(terminal: Terminal, total: number): { at(done: number, what: string): void; end(): void } {
  const started = terminal.now();
  let tenth = 0;
  return {
    at(done, what) {
      const share = Math.min(1, done / Math.max(1, total));
      const left = share > 0.01 ? formatDuration(((terminal.now() - started) * (1 - share)) / share) : '?';
      if (terminal.isTerminal) {
        const filled = Math.round(share * 24);
        terminal.err(
          `\r[${'#'.repeat(filled)}${'.'.repeat(24 - filled)}] ${Math.round(share * 100)} % ${what}, ${left} left      `,
        );
      } else if (Math.floor(share * 10) > tenth) {
        tenth = Math.floor(share * 10);
        terminal.err(`${tenth * 10} % (${what}), ${left} left\n`);
      }
    },
    end() {
      if (terminal.isTerminal) terminal.err(`\r${' '.repeat(72)}\r`);
    },
  };
}
