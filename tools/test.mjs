import { fileURLToPath } from 'node:url';
import { bootstrap } from './bootstrap.mjs';
import { npm, root, runToEnd, say } from './run.mjs';

// `npm test`: everything a change must pass. Arguments go to jest; the closing line counts failed checks as well.
await bootstrap();

const checks = [
  ['types', 'types'],
  ['lint', 'lint'],
  ['import rules', 'imports'],
  ['unused code', 'unused'],
];

let failedChecks = 0;
const waiting = [...checks];
/** Two at a time: each alone leaves half of a small machine idle. What one prints is shown in one piece. */
async function work() {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const [name, script] = next;
    const { code, text, seconds } = await runToEnd(npm('run', '--silent', script), { output: 'collect' });
    say(`${code === 0 ? 'ok  ' : 'FAIL'} ${name} (${seconds.toFixed(1)} s)`);
    if (code === 0) continue;
    failedChecks += 1;
    say(text.trimEnd());
  }
}
await Promise.all([work(), work()]);

const jest = fileURLToPath(new URL('node_modules/jest/bin/jest.js', root));
const env = { ...process.env, UMBRA_FAILED_CHECKS: String(failedChecks) };
const { code } = await runToEnd([process.execPath, [jest, ...process.argv.slice(2)]], { env });
process.exitCode = code === 0 && failedChecks > 0 ? 1 : code;
