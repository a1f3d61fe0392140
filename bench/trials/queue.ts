import { fork } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { keyOf } from './trial.ts';
import type { Job, Result } from './trial.ts';

/**
 * Runs jobs in processes of their own and keeps every result in `folder`, so that a run that was stopped (or ran out of
 * `untilMs`) is taken up where it ended. A result is named by the code, series and model it follows from.
 * @returns what is known, in the order of the jobs; undefined where time ran out
 */
export async function runJobs(
  jobs: readonly Job[],
  options: { readonly folder: string; readonly workers: number; readonly untilMs: number },
): Promise<(Result | undefined)[]> {
  mkdirSync(options.folder, { recursive: true });
  const fileOf = (job: Job): string => join(options.folder, `${keyOf(job)}.json`);
  const known = (file: string): boolean => existsSync(file);
  const waiting = jobs.filter((job) => !known(fileOf(job)));
  if (waiting.length < jobs.length)
    process.stderr.write(`${jobs.length - waiting.length} of ${jobs.length} were known\n`);
  const next = (): Job | undefined => (Date.now() < options.untilMs ? waiting.shift() : undefined);
  await Promise.all(Array.from({ length: Math.min(options.workers, waiting.length) }, () => worker(next, fileOf)));
  if (waiting.length > 0)
    process.stderr.write(`time is over; ${waiting.length} of ${jobs.length} are left for the next run\n`);
  return jobs.map((job) => {
    const file = fileOf(job);
    return known(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Result) : undefined;
  });
}

/** One process that does a job at a time until there is none. */
function worker(next: () => Job | undefined, fileOf: (job: Job) => string): Promise<void> {
  const child = fork(fileURLToPath(new URL('trial.process.ts', import.meta.url)), {
    execArgv: ['--import', 'tsx'],
    serialization: 'advanced',
  });
  return new Promise((resolve, reject) => {
    let job: Job | undefined;
    const more = (): void => {
      job = next();
      if (job === undefined) child.disconnect();
      else child.send(job);
    };
    child.on('message', (result: Result) => {
      const file = fileOf(job!);
      writeFileSync(`${file}.part`, JSON.stringify(result));
      renameSync(`${file}.part`, file);
      const last = Object.values(result.scores).at(-1);
      const said = last === undefined ? '' : `${last.rel90.toFixed(3)}, covers ${last.coverage90.toFixed(2)}`;
      process.stderr.write(`${job!.kind} ${job!.step} ${job!.name} ${job!.model} ${said} ${result.why ?? ''}\n`);
      more();
    });
    child.on('exit', (code) => {
      if (code === 0) resolve();
      else
        reject(
          new Error(`the process of ${job?.model ?? '?'} on ${job?.name ?? '?'} ended with ${code ?? 'a signal'}`),
        );
    });
    more();
  });
}
