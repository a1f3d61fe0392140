import type { Command } from 'commander';
import type { Finding } from '../api/doctor.ts';
import { loadConfig } from '../config.ts';
import { formatProblem } from '../inventory/problem.ts';
import { findApi } from './api-client.ts';
import type { Api } from './api-client.ts';
import { Ending, exitCodes } from './exit.ts';
import { composition } from './processes.ts';
import { screen, rows } from './doctor-screen.ts';
import type { Terminal } from './terminal.ts';

/** TSIG refuses five minutes; tokens, leases and probation want much less. */
const warnSkewMs = 2_000;
const failSkewMs = 60_000;

/** The API's own checks end after 5 s, or 10 where it must read its inventory first. */
const apiMs = 12_000;

type Options = { config?: string; json?: true; all?: true };

export function mountDoctor(program: Command, terminal: Terminal): void {
  program
    .command('doctor')
    .description('what stands between this installation and mode: act, worst first, each with what mends it')
    .option('-c, --config <file>', 'umbra.yaml to check; it is also used when no running instance answers')
    .option('--all', 'also each check that passed')
    .option('--json', 'machine-readable, all of it')
    .addHelpText(
      'after',
      '\nExamples:\n  umbra doctor\n  umbra doctor --all\n  umbra doctor --config /etc/umbra/umbra.yaml',
    )
    .action((options: Options, command: Command) =>
      doctor(terminal, options, command.optsWithGlobals<{ api?: string }>().api),
    );
}

async function doctor(terminal: Terminal, options: Options, apiUrl: string | undefined): Promise<void> {
  const findings = [...(await examineHere(options)), ...(await examineThere(terminal, options, apiUrl))];
  if (options.json === true) terminal.out(`${JSON.stringify(findings, undefined, terminal.isTerminal ? 2 : 0)}\n`);
  else
    terminal.out(
      terminal.isTerminal
        ? screen(terminal, findings, options.all === true)
        : rows(terminal, findings, options.all === true),
    );
  const failed = findings.filter(({ verdict }) => verdict === 'fail').length;
  if (failed > 0) throw new Ending(exitCodes.failure, `${failed} of ${findings.length} checks failed`);
}

/** By the API's eyes; where it is away that is a finding, and the configuration's own parts are looked at from here. */
async function examineThere(terminal: Terminal, options: Options, apiUrl: string | undefined): Promise<Finding[]> {
  try {
    return await examineInstance(terminal, findApi(terminal, apiUrl));
  } catch (error) {
    if (!(error instanceof Ending) || error.code !== exitCodes.notReachable) throw error;
    const own: Finding = {
      check: 'api',
      subject: '-',
      group: 'Umbra',
      verdict: 'warn',
      text: error.message,
      mend: 'umbra status',
    };
    return [own, ...(await examineByConfig(options))];
  }
}

async function examineHere(options: Options): Promise<Finding[]> {
  await Promise.resolve();
  const { config, problems } = loadConfig(options.config);
  if (problems !== undefined) {
    return problems.map((problem) => ({
      check: 'config',
      subject: problem.file,
      group: 'Umbra',
      verdict: 'fail',
      text: formatProblem(problem),
      ...(problem.hint === undefined ? {} : { mend: problem.hint }),
    }));
  }
  return [{ check: 'config', subject: config.file ?? 'defaults', group: 'Umbra', verdict: 'ok', text: 'valid' }];
}

async function examineInstance(terminal: Terminal, api: Api): Promise<Finding[]> {
  const before = terminal.now();
  const { body, date } = await withinLimit(api.url, api.ask<Finding[]>('GET', '/api/v1/doctor'));
  if (!Array.isArray(body)) return [];
  return [skew(date, before, terminal.now()), ...body];
}

async function withinLimit<T>(url: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    const sentence = `${url} took the question and gave no answer within ${apiMs / 1000} s`;
    timer = setTimeout(() => reject(new Ending(exitCodes.notReachable, sentence)), apiMs);
  });
  work.catch(() => undefined);
  return await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/** The Date header has whole seconds, and the answer may have taken a while: both widen what is still well. */
function skew(date: string | null, before: number, after: number): Finding {
  const theirs = date === null ? NaN : Date.parse(date);
  const finding = { check: 'clock', subject: 'this machine and the API', group: 'Umbra' } as const;
  if (Number.isNaN(theirs)) return { ...finding, verdict: 'warn', text: 'the API does not say what time it is' };
  const off = Math.max(0, before - 1_000 - theirs, theirs - after);
  const text = off === 0 ? 'agree' : `differ by ${(off / 1000).toFixed(1)} s`;
  const verdict = off > failSkewMs ? 'fail' : off > warnSkewMs ? 'warn' : 'ok';
  return { ...finding, verdict, text, ...(verdict === 'ok' ? {} : { mend: 'timedatectl set-ntp true, on both' }) };
}

async function examineByConfig(options: Options): Promise<Finding[]> {
  const { config } = loadConfig(options.config);
  if (config === undefined) return [];
  const { examineInstallation } = await composition();
  return [...(await examineInstallation(config))];
}
