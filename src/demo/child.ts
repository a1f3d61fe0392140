import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';

/** A process that ends with us: by `close()`, or by the kernel when we are killed (Linux, `setpriv` of util-linux). */
export type Child = { readonly pid: number; readonly exited: Promise<string>; close(): Promise<void> };

const graceMs = 3_000;

/** @param onLine every line it prints, both streams */
export function startChild(
  command: string,
  args: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly cwd?: string; readonly onLine?: (line: string) => void } = {},
): Child {
  const setpriv = process.platform === 'linux' ? ['/usr/bin/setpriv', '/bin/setpriv'].find(existsSync) : undefined;
  const [program, programArgs] =
    setpriv === undefined ? [command, args] : [setpriv, ['--pdeathsig', 'KILL', '--', command, ...args]];
  const child = spawn(program, [...programArgs], {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    // A group of its own: Ctrl-C reaches us only, and we end it in order.
    detached: true,
  });
  if (child.pid === undefined) throw new Error(`${command} could not be started`);
  const exited = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code ?? 0}`));
    child.once('error', (error) => resolve(error.message));
  });
  for (const stream of [child.stdout, child.stderr]) {
    let rest = '';
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) options.onLine?.(line);
    });
  }
  return {
    pid: child.pid,
    exited,
    close: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
      await exited;
      clearTimeout(timer);
    },
  };
}
