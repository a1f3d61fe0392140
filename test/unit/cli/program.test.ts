import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { writeInstanceFile } from '../../../src/cli/instance-file.ts';
import { run } from '../../../src/cli/program.ts';
import type { Evaluation } from '../../../src/domain/plan.ts';
import { exampleView } from '../../support/example-view.ts';
import { startWorld, temporalIsAway } from '../api/harness.ts';
import type { World } from '../api/harness.ts';
import { fakeTerminal } from './terminal.ts';
import type { FakeTerminal } from './terminal.ts';

const example = fileURLToPath(new URL('../../../examples/inventory.yaml', import.meta.url));
const evaluation = { risk: { score: 0.62, parts: [] }, demandQps: 123.4, peak: null } as unknown as Evaluation;

let folder: string;
let world: World;
let terminal: FakeTerminal;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'umbra-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(async () => {
  world = await startWorld();
  world.views.set('shop', { ...exampleView('shop'), evaluation });
  terminal = fakeTerminal({ api: world.api.url });
});
afterEach(() => world.api.close());

const umbra = (...args: string[]): Promise<number> => run(args, terminal);

describe('reading', () => {
  test('list --json has the documented shape', async () => {
    expect(await umbra('list', '--json')).toBe(0);
    expect(JSON.parse(terminal.said.out)).toEqual([
      {
        id: 'shop',
        names: ['shop.example.com'],
        storageClass: 'stateless',
        state: 'protected',
        primary: { vmid: 101 },
        shadows: [{ vmid: 9001, tier: 1, state: 'warm' }],
        risk: 0.62,
      },
    ]);
  });

  test('list is plain lines when piped, and a table with the worst first on a terminal', async () => {
    world.views.set('blog', { ...exampleView('blog'), state: 'needs-human' });
    await umbra('list');
    expect(terminal.said.out.split('\n')[1]).toBe(
      'shop\tprotected\tprimary 101 10.0.0.11\t62\t123 / 400 q/s\t1x 9001 hot\t-',
    );
    terminal = fakeTerminal({ api: world.api.url, isTerminal: true, columns: 120 });
    await umbra('list');
    expect(terminal.said.out).toMatch(
      /^ID {4}STATE {8}SERVING .*\nblog {2}needs-human {2}primary 101 .*\nshop {2}protected /,
    );
  });

  test('list shows demand as it is now, and says the age of what is old', async () => {
    await umbra('apply', '-f', example, '--yes');
    terminal = fakeTerminal({ api: world.api.url });
    await umbra('list');
    expect(terminal.said.out).toContain('\t20 / 400 q/s\t');
    terminal = fakeTerminal({ api: world.api.url, now: () => 1_050_000 });
    await umbra('list');
    expect(terminal.said.out).toContain('\t20 / 400 q/s (1m ago)\t');
  });

  test('colours only on a terminal', async () => {
    terminal = fakeTerminal({ api: world.api.url, isTerminal: true, colors: true, columns: 120 });
    await umbra('list');
    expect(terminal.said.out).toContain('\u001b[32mprotected\u001b[0m');
  });

  test('list --watch says it again after a change, until Ctrl-C', async () => {
    const ending = new AbortController();
    terminal = fakeTerminal({ api: world.api.url, interrupted: ending.signal });
    const watching = umbra('list', '--watch');
    while (!terminal.said.out.includes('protected')) await new Promise((resolve) => setTimeout(resolve, 10));
    world.views.set('shop', { ...exampleView('shop'), state: 'failing-over' });
    while (!terminal.said.out.includes('failing-over')) {
      world.change('shop');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    ending.abort();
    expect(await watching).toBe(0);
  });

  test('show, explain, events and demand tell one hosted VM in words', async () => {
    world.answer = () => ({
      sentence: 'shop is well',
      why: ['risk 62 of 100'],
      waitsFor: [],
      next: ['if the serving instance fails: move to shadow 9001'],
      proposal: null,
      commands: { failover: { allowed: true }, handBack: { allowed: false, reason: 'no' } },
    });
    world.events.push({
      id: 'a',
      at: 0,
      hostedVmId: 'shop',
      kind: 'answer-changed',
      actor: 'workflow',
      reason: { code: 'x', text: 'primary silent' },
      facts: {},
    });
    for (const verb of ['show', 'explain', 'events', 'demand']) expect(await umbra(verb, 'shop')).toBe(0);
    expect(terminal.said.out).toContain('shop/1\tshadow\t1x\t9001\tpve1\t10.0.0.101\twarm hot\t-');
    expect(terminal.said.out).toContain(
      'Next\n  if the serving instance fails: move to shadow 9001\n\nYou can\n  failover\n',
    );
    expect(terminal.said.out).toContain('answer-changed\tworkflow\tprimary silent');
    expect(terminal.said.out).toContain('capacity 400 q/s');
    expect(terminal.said.err).toBe('');
  });

  test('demand --csv is what backtest reads: gaps are left out', async () => {
    await umbra('demand', 'shop', '--since', '30s', '--step', '10s', '--csv');
    expect(terminal.said.out).toBe('timestamp,value\n1970-01-01T00:16:10.000Z,1\n1970-01-01T00:16:30.000Z,3\n');
  });

  test('status tells the addresses, and with its exit code whether all is up', async () => {
    world.answer = temporalIsAway;
    expect(await umbra('status', '--json')).toBe(1);
    expect(Object.keys(JSON.parse(terminal.said.out) as object)).toEqual([
      'dashboard',
      'api',
      'temporal',
      'temporalUi',
      'dns',
      'dnstap',
      'proxmox',
    ]);
    expect(terminal.said.err).toContain('not up yet: temporal (');
    world.answer = () => ({ pollers: [{ lastAccessTime: { seconds: Date.now() / 1000 } }] });
    terminal = fakeTerminal({ api: world.api.url, now: Date.now });
    expect(await umbra('status', '--json', '--wait', '10s')).toBe(0);
    expect(JSON.parse(terminal.said.out)).toMatchObject({ api: world.api.url, dns: '127.0.0.1:5300' });
  }, 15_000);
});

describe('acting', () => {
  test('an operator’s command carries the account, the reason and its own words', async () => {
    expect(await umbra('failover', 'shop', '--to', '2', '--reason', 'kernel update')).toBe(0);
    expect(await umbra('extend-probation', 'shop', '--by', '6h')).toBe(0);
    expect(terminal.said.out).toBe('shop: done\nshop: done\n');
    const [failover, extend] = world.asked.map(({ args }) => args[0] as Record<string, unknown>);
    expect(failover).toMatchObject({ actor: 'operator:ada@loopback', reason: 'kernel update', to: 'shop/2' });
    expect(extend).toMatchObject({ byMs: 21_600_000, reason: 'no reason given' });
  });

  test('a refusal says why, with exit code 3', async () => {
    world.answer = () => {
      throw new WorkflowUpdateFailedError('no', ApplicationFailure.nonRetryable('handBack needs probation', 'Refused'));
    };
    expect(await umbra('hand-back', 'shop')).toBe(3);
    expect(terminal.said).toEqual({ out: '', err: 'shop: refused: handBack needs probation\n' });
  });

  test('pause --all goes on when one refuses', async () => {
    world.views.set('blog', exampleView('blog'));
    world.answer = ({ workflowId }) =>
      workflowId.endsWith('blog')
        ? { kind: 'refused', reason: { code: 'x', text: 'it is failing over' } }
        : { kind: 'accepted', text: 'paused' };
    expect(await umbra('pause', '--all')).toBe(3);
    expect(terminal.said.out).toBe('shop: paused\n');
    expect(terminal.said.err).toContain('blog: refused: it is failing over\n');
    expect(terminal.said.err).toContain('1 of 2 refused');
  });

  test('reset-breaker tells the cluster who asked; an unknown cluster is refused', async () => {
    await umbra('apply', '-f', example, '--yes');
    terminal = fakeTerminal({ api: world.api.url });
    expect(await umbra('reset-breaker', 'lab', '--reason', 'the switch is back')).toBe(0);
    expect(world.asked.at(-1)).toEqual({
      workflowId: 'cluster/lab',
      message: 'resetBreaker',
      args: [{ by: 'operator:ada@loopback: the switch is back' }],
    });
    expect(terminal.said.out).toBe('the breaker of lab is told to close: the switch is back\n');
    expect(world.events.at(-1)).toMatchObject({ kind: 'breaker-reset', actor: 'operator:ada@loopback' });
    expect(await umbra('reset-breaker', 'lap')).toBe(2);
    expect(terminal.said.err).toContain('no cluster is called "lap"; did you mean lab?');
  });

  test('apply shows the plan, and applies it with --yes', async () => {
    expect(await umbra('apply', '-f', example)).toBe(0);
    expect(terminal.said.out).toBe('+ cluster lab\n+ zone example.com\n+ hosted VM shop\n');
    expect(terminal.said.err).toBe('Nothing was applied. With --yes it is.\n');
    expect(await umbra('apply', '-f', example, '--yes')).toBe(0);
    expect(terminal.said.out).toContain('Applied as revision 1.\n');
    expect(await umbra('apply', '-f', example, '--yes')).toBe(0);
    expect(terminal.said.out).toContain('Nothing changes: revision 1 says the same.\nRevision 1 stays.\n');
  });

  test('failures of the past are imported, and a wrong line is named', async () => {
    const file = join(folder, 'failures.csv');
    writeFileSync(file, 'hostedVmId,at,text\nshop,2026-03-01T04:12:00Z,"disk full, again"\n');
    expect(await umbra('import', 'failures', file)).toBe(0);
    expect(world.events[0]).toMatchObject({
      hostedVmId: 'shop',
      at: Date.UTC(2026, 2, 1, 4, 12),
      kind: 'failure-imported',
      reason: { text: 'disk full, again' },
    });
    writeFileSync(file, 'hostedVmId,at,node\nshop,2026-03-02 04:12,pve2\n');
    expect(await umbra('import', 'failures', file)).toBe(0);
    expect(world.events.find(({ at }) => at === Date.UTC(2026, 2, 2, 4, 12))?.facts).toEqual({ node: 'pve2' });
    writeFileSync(file, 'hostedVmId,at\nshop,2999-03-01T04:12:00Z\n');
    expect(await umbra('import', 'failures', file)).toBe(2);
    expect(terminal.said.err).toContain('failures.csv:2 2999-03-01T04:12:00Z is in the future');
    writeFileSync(file, 'hostedVmId,at\nshop,yesterday\n');
    expect(await umbra('import', 'failures', file)).toBe(2);
    expect(terminal.said.err).toContain('failures.csv:2 "yesterday" is not an instant');
  });
});

describe('what is wrong is said, with its exit code', () => {
  test('a file with a problem: 2, with its place', async () => {
    const file = join(folder, 'inventory.yaml');
    writeFileSync(file, 'clusters: []\n');
    expect(await umbra('apply', '-f', file)).toBe(2);
    expect(terminal.said.err).toContain(`${file}:1:1 clusters: needs at least one of clusters\n`);
    expect(await umbra('apply', '-f', join(folder, 'none.yaml'))).toBe(2);
    expect(terminal.said.err).toContain('none.yaml cannot be read: ENOENT');
  });

  test.each([
    [['lst'], 'Did you mean one of list, ls?'],
    [['list', '--jsn'], '(Did you mean --json?)'],
    [['extend-probation', 'shop', '--by', 'long'], '--by "long" is not a duration'],
    [['pause'], 'pause needs the id of a hosted VM, or --all'],
    [['show', 'shpo'], 'no hosted VM is called "shpo"; did you mean shop?'],
    [['demand', 'shop', '--since', 'ever'], 'since=ever is not a duration'],
    [['list', '--api', 'nowhere'], '--api nowhere is not an address'],
    [['completion', 'tcsh'], 'tcsh is none of bash, zsh, fish'],
  ])('%j: 2', async (args, sentence) => {
    const code = await umbra(...args);
    expect(terminal.said.err).toContain(sentence);
    expect(code).toBe(2);
  });

  test('nobody there: 4, and a file that a dead process left is said to be one', async () => {
    const closed = await startWorld();
    await closed.api.close();
    expect(await umbra('list', '--api', closed.api.url)).toBe(4);
    expect(terminal.said.err).toContain('does not answer (ECONNREFUSED)');
    const instanceFile = join(folder, 'instance.json');
    terminal = fakeTerminal({ instanceFile });
    expect(await umbra('list')).toBe(4);
    expect(terminal.said.err).toContain('no instance has left word on this machine');
    const addresses = {
      dashboard: '',
      api: world.api.url,
      temporal: '',
      temporalUi: '',
      dns: '',
      dnstap: '',
      proxmox: '',
    };
    // Above every system's largest process id.
    writeInstanceFile(instanceFile, { pid: 2 ** 30, startedAt: 1, addresses });
    expect(await umbra('list')).toBe(4);
    expect(terminal.said.err).toContain(`the instance of process ${2 ** 30} is gone`);
    writeInstanceFile(instanceFile, { pid: process.pid, startedAt: 1, addresses });
    expect(await umbra('list')).toBe(0);
  });

  test('Temporal away: 4, with what was tried', async () => {
    world.answer = temporalIsAway;
    expect(await umbra('failover', 'shop')).toBe(4);
    expect(terminal.said.err).toContain('failover shop: Temporal or its worker did not answer');
  });
});

describe('help', () => {
  test('names every verb of the operator, the exit codes, and an example for each verb', async () => {
    expect(await umbra('--help')).toBe(0);
    const verbs =
      'dev collector worker monitor api sim status apply list show explain events failover hand-back approve promote ' +
      'extend-probation pause resume retire discover doctor demand backtest tune import completion';
    for (const verb of verbs.split(' ')) {
      expect(terminal.said.out).toMatch(new RegExp(`^  ${verb}\\b`, 'm'));
      const own = fakeTerminal();
      expect(await run([verb, '--help'], own)).toBe(0);
      if (verb !== 'import') expect(own.said.out).toContain('Example');
    }
    expect(terminal.said.out).toContain('  3  refused, with the reason');
  });

  test.each(['bash', 'zsh', 'fish'])('completion for %s knows verbs and options', async (shell) => {
    expect(await umbra('completion', shell)).toBe(0);
    expect(terminal.said.out).toContain('extend-probation');
    expect(terminal.said.out).toContain(shell === 'fish' ? '-l reason' : '--reason');
    expect(await umbra('complete-ids')).toBe(0);
    expect(terminal.said.out).toMatch(/shop\n$/);
  });
});
