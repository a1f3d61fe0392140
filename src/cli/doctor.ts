import type { Command } from 'commander';
import type { Finding } from '../api/doctor.ts';
import { loadConfig } from '../config.ts';
import { formatProblem } from '../inventory/problem.ts';
import { findApi } from './api-client.ts';
import type { Api } from './api-client.ts';
import { Ending, exitCodes } from './exit.ts';
import { composition } from './processes.ts';
import { table } from './table.ts';
import type { Terminal } from './terminal.ts';

/** TSIG refuses five minutes; tokens, leases and probation want much less. */
const warnSkewMs = 2_000;
const failSkewMs = 60_000;

type Options = { config?: string; json?: true };

export function mountDoctor(program: Command, terminal: Terminal): void {
  program
    .command('doctor')
    .description('checks configuration, Temporal, DNS, Proxmox rights, clocks and dnstap, and says how to mend')
    .option('-c, --config <file>', 'umbra.yaml to check; it is also used when no running instance answers')
    .option('--json', 'machine-readable')
    .addHelpText('after', '\nExamples:\n  umbra doctor\n  umbra doctor --config /etc/umbra/umbra.yaml')
    .action((options: Options, command: Command) =>
      doctor(terminal, options, command.optsWithGlobals<{ api?: string }>().api),
    );
}

async function doctor(terminal: Terminal, options: Options, apiUrl: string | undefined): Promise<void> {
  const findings = [...(await examineHere(options))];
  const api = reachable(terminal, apiUrl);
  if (api instanceof Ending) {
    findings.push({ check: 'api', subject: '-', verdict: 'warn', text: api.message, mend: 'umbra status' });
    findings.push(...(await examineByConfig(options)));
  } else {
    findings.push(...(await examineInstance(terminal, api)));
  }
  if (options.json === true) terminal.out(`${JSON.stringify(findings, undefined, terminal.isTerminal ? 2 : 0)}\n`);
  else terminal.out(words(terminal, findings));
  const failed = findings.filter(({ verdict }) => verdict === 'fail').length;
  if (failed > 0) throw new Ending(exitCodes.failure, `${failed} of ${findings.length} checks failed`);
}

async function examineHere(options: Options): Promise<Finding[]> {
  await Promise.resolve();
  const { config, problems } = loadConfig(options.config);
  if (problems !== undefined) {
    return problems.map((problem) => ({
      check: 'config',
      subject: problem.file,
      verdict: 'fail',
      text: formatProblem(problem),
      ...(problem.hint === undefined ? {} : { mend: problem.hint }),
    }));
  }
  return [{ check: 'config', subject: config.file ?? 'defaults', verdict: 'ok', text: 'valid' }];
}

function reachable(terminal: Terminal, apiUrl: string | undefined): Api | Ending {
  try {
    return findApi(terminal, apiUrl);
  } catch (error) {
    if (error instanceof Ending) return error;
    throw error;
  }
}

async function examineInstance(terminal: Terminal, api: Api): Promise<Finding[]> {
  const before = terminal.now();
  const { body, date } = await api.ask<Finding[]>('GET', '/api/v1/doctor');
  if (!Array.isArray(body)) return [];
  return [skew(date, before, terminal.now()), ...body];
}

/** The Date header has whole seconds, and the answer may have taken a while: both widen what is still well. */
function skew(date: string | null, before: number, after: number): Finding {
  const theirs = date === null ? NaN : Date.parse(date);
  const finding = { check: 'clock', subject: 'this machine and the API' } as const;
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

const colors = { ok: 'green', warn: 'amber', fail: 'red' } as const;

function words(terminal: Terminal, findings: readonly Finding[]): string {
  const rows = findings.map(({ check, subject, verdict, text, mend }) => [
    { text: verdict, color: colors[verdict] },
    check,
    subject,
    mend === undefined || verdict === 'ok' ? text : `${text}; mend: ${mend}`,
  ]);
  return table(terminal, ['', 'CHECK', 'OF', 'FOUND'], rows);
}
