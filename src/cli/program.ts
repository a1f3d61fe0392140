import { Command, CommanderError } from 'commander';
import { configVariables } from '../config.ts';
import type { DemandSeries } from '../domain/demand.ts';
import { formatDuration } from '../domain/time.ts';
import { findApi } from './api-client.ts';
import { mountApi } from './api.ts';
import { mountApply } from './apply.ts';
import { mountApprove } from './approve.ts';
import { mountCollector } from './collector.ts';
import { mountCompletion } from './completion.ts';
import { mountDemand } from './demand.ts';
import { mountDev } from './dev.ts';
import { mountDiscover } from './discover.ts';
import { mountDoctor } from './doctor.ts';
import { mountEvents } from './events.ts';
import { Ending, exitCodeHelp, exitCodes } from './exit.ts';
import { mountExplain } from './explain.ts';
import { mountExtendProbation } from './extend-probation.ts';
import { mountFailover } from './failover.ts';
import { mountHandBack } from './hand-back.ts';
import { mountImport } from './import.ts';
import { mountList } from './list.ts';
import { mountMonitor } from './monitor.ts';
import { mountPause } from './pause.ts';
import { mountPromote } from './promote.ts';
import { mountResetBreaker } from './reset-breaker.ts';
import { mountResume } from './resume.ts';
import { mountRetire } from './retire.ts';
import { mountSchema } from './schema.ts';
import { mountShow } from './show.ts';
import { mountSim } from './sim.ts';
import { mountStatus } from './status.ts';
import { paint } from './terminal.ts';
import type { Terminal } from './terminal.ts';
import { mountToken } from './token.ts';
import { mountWorker } from './worker.ts';

/** In the order of the help: look, act, set up, try out, run. */
const groups: readonly (readonly [string, readonly ((program: Command, terminal: Terminal) => void)[]])[] = [
  ['Look:', [mountStatus, mountList, mountShow, mountExplain, mountEvents, mountDemand, mountDoctor]],
  [
    'Act:',
    [
      mountFailover,
      mountHandBack,
      mountApprove,
      mountPromote,
      mountExtendProbation,
      mountPause,
      mountResume,
      mountRetire,
      mountResetBreaker,
    ],
  ],
  ['Set up:', [mountDiscover, mountApply, mountImport, mountToken, mountSchema, mountCompletion]],
  ['Run:', [mountDev, mountSim, mountCollector, mountWorker, mountMonitor, mountApi]],
];

const environmentHelp = [
  'Environment:',
  '  UMBRA_API            address of the API; else the instance of umbra dev on this machine',
  '  UMBRA_API_TOKEN_FILE file with the bearer token; or UMBRA_API_TOKEN',
  '  NO_COLOR             no colours',
  '  for processes, above umbra.yaml:',
  ...configVariables.map((name) => `    ${name}`),
].join('\n');

/** Runs one command line. @returns the exit code; everything has been said */
export async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    const program = await buildProgram(args, terminal);
    if (args.length === 0) {
      terminal.out(program.helpInformation());
      return exitCodes.ok;
    }
    await program.parseAsync([...args], { from: 'user' });
    return exitCodes.ok;
  } catch (error) {
    return say(error, terminal);
  }
}

async function buildProgram(args: readonly string[], terminal: Terminal): Promise<Command> {
  const program = new Command('umbra')
    .description('Keeps shadow VMs ready before they are needed, and moves traffic to them by DNS.')
    .option('--api <url>', 'address of the API; UMBRA_API, else the instance of umbra dev on this machine')
    .configureOutput({
      writeOut: (text) => terminal.out(text),
      writeErr: (text) => terminal.err(text),
      getOutHelpWidth: () => (terminal.isTerminal ? terminal.columns : 100),
      outputError: (text, write) => write(paint(terminal, 'red', text)),
    })
    .showSuggestionAfterError()
    .helpCommand('help [verb]', 'help on one verb')
    .enablePositionalOptions()
    .addHelpText(
      'after',
      `\n${exitCodeHelp}\n\n${environmentHelp}\n\nExamples:\n  npm start\n  umbra list --watch\n  umbra explain shop`,
    );
  for (const [heading, mounts] of groups) {
    program.commandsGroup(heading);
    for (const mount of mounts) mount(program, terminal);
  }
  await mountForesight(program, args, terminal);
  allowApiEverywhere(program);
  forAll(program, (command) => command.exitOverride().copyInheritedSettings(program));
  return program;
}

/** `backtest` and `tune` bring all models with them; other verbs should not wait for those. */
async function mountForesight(program: Command, args: readonly string[], terminal: Terminal): Promise<void> {
  const verb = args.find((arg) => !arg.startsWith('-'));
  if (verb !== undefined && !['backtest', 'tune', 'help', 'completion'].includes(verb)) return;
  const { backtestCommand } = await import('./backtest.ts');
  const { tuneCommand } = await import('./tune.ts');
  program.commandsGroup('Try out:');
  const surroundings = {
    terminal,
    loadSeries: (id: string, stepMs: number) => loadSeries(terminal, program, id, stepMs),
  };
  program.addCommand(backtestCommand(surroundings));
  program.addCommand(tuneCommand(surroundings));
}

/** As far back as the store keeps steps of this width. */
async function loadSeries(terminal: Terminal, program: Command, id: string, stepMs: number): Promise<DemandSeries> {
  const api = findApi(terminal, program.opts<{ api?: string }>().api);
  const since = stepMs >= 3_600_000 ? '400d' : '60d';
  const query = `since=${since}&step=${formatDuration(stepMs)}`;
  type Answer = { demand: { start: number; stepMs: number; qps: (number | null)[] } };
  const { demand } = await api.read<Answer>(`/api/v1/hosted-vms/${encodeURIComponent(id)}/demand?${query}`);
  const first = demand.qps.findIndex((value) => value !== null);
  if (first === -1) throw new Ending(exitCodes.failure, `${id} has no demand in the store yet`);
  return {
    start: demand.start + first * demand.stepMs,
    stepMs: demand.stepMs,
    qps: demand.qps.slice(first).map((value) => value ?? NaN),
  };
}

/** `umbra list --api URL` should do what `umbra --api URL list` does. */
function allowApiEverywhere(program: Command): void {
  forAll(program, (command) => {
    if (command === program || command.options.some(({ long }) => long === '--api')) return;
    command.option('--api <url>', 'address of the API');
  });
}

function forAll(command: Command, change: (command: Command) => void): void {
  change(command);
  for (const child of command.commands) forAll(child, change);
}

function say(error: unknown, terminal: Terminal): number {
  if (error instanceof Ending) {
    if (error.message !== '') terminal.err(`${paint(terminal, 'red', 'umbra:')} ${error.message}\n`);
    return error.code;
  }
  if (error instanceof CommanderError) {
    // Commander has said it already; help that was asked for is no error.
    return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  }
  if (terminal.interrupted.aborted) return exitCodes.ok;
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  terminal.err(`${paint(terminal, 'red', 'umbra:')} this is a mistake of Umbra's own: ${text}\n`);
  return exitCodes.failure;
}
