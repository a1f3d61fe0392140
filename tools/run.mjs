import { spawn } from 'node:child_process';

/** The repository's root, wherever the command was typed. */
export const root = new URL('..', import.meta.url);

/** Lines of a tool go to standard error: standard output belongs to what it was asked for. */
export function say(line) {
  process.stderr.write(`${line}\n`);
}

/** npm as it was started (`npm_execpath`), so that no shell and no other version comes between. */
export function npm(...args) {
  const script = process.env['npm_execpath'];
  if (script !== undefined && /\.[cm]?js$/.test(script)) return [process.execPath, [script, ...args]];
  return [process.platform === 'win32' ? 'npm.cmd' : 'npm', args];
}

/**
 * Runs a program to its end, at the repository's root and without input.
 * @param {'inherit' | 'collect'} output where its output goes
 * @returns {Promise<{ code: number, text: string, seconds: number }>} `text` is its collected output
 */
export function runToEnd([program, args], { output = 'inherit', env = process.env } = {}) {
  const startedAt = performance.now();
  return new Promise((resolve) => {
    const stdio = output === 'inherit' ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'];
    const child = spawn(program, args, { cwd: root, env, stdio });
    let text = '';
    child.stdout?.setEncoding('utf8').on('data', (chunk) => (text += chunk));
    child.stderr?.setEncoding('utf8').on('data', (chunk) => (text += chunk));
    const end = (code, note = '') =>
      resolve({ code, text: text + note, seconds: (performance.now() - startedAt) / 1000 });
    child.on('error', (error) => end(127, `${program}: ${error.message}\n`));
    child.on('close', (code, signal) => end(code ?? 128, signal === null ? '' : `${program} was ended by ${signal}\n`));
  });
}

/** Says every 15 s that `what` still goes on, until the returned function is called. */
export function stillWorking(what) {
  const startedAt = performance.now();
  const timer = setInterval(
    () => say(`${what}: ${Math.round((performance.now() - startedAt) / 1000)} s so far`),
    15_000,
  );
  timer.unref();
  return () => clearInterval(timer);
}
