import { spawn } from 'node:child_process';
import {
  accessSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The last Temporal CLI that `go install` can build: from 1.6 on its sub-module is not in the module proxy. */
export const temporalCliVersion = '1.5.1';
/** Pinned in temporal-test-server.pom.xml too. */
const testServerVersion = '1.37.0';

const downloadSilenceMs = 10_000;
const downloadLimitMs = 10 * 60_000;
const goLimitMs = 30 * 60_000;
const mavenLimitMs = 5 * 60_000;
const progressEveryMs = 10_000;

const ignore = () => undefined;

/** @typedef {{ log?: (line: string) => void, env?: NodeJS.ProcessEnv }} Options */

/**
 * Finds or makes the Temporal CLI, which holds the development server and its web UI.
 * Order: TEMPORAL_CLI, PATH, our cache, the SDK's download, `go install` of the pinned module.
 * @param {Options} [options]
 * @returns {Promise<string>} path of an executable that answered `--version`
 * @throws {Error} naming all that was tried and what to do
 */
export async function obtainTemporalCli({ log = ignore, env = process.env } = {}) {
  const directory = join(cacheDirectory(env), `temporal-${temporalCliVersion}`);
  const cached = join(directory, executableName('temporal'));
  const tried = [];

  const given = env['TEMPORAL_CLI'];
  if (given) {
    const trouble = await troubleRunning(given);
    if (trouble === undefined) return found(log, given, 'TEMPORAL_CLI');
    throw new Error(
      `TEMPORAL_CLI is ${given}, which does not run: ${trouble}. Correct it, or unset it to let Umbra look.`,
    );
  }
  tried.push('TEMPORAL_CLI: not set');

  const onPath = findOnPath('temporal', env);
  const pathTrouble = onPath === undefined ? 'no temporal on it' : await troubleRunning(onPath);
  if (onPath !== undefined && pathTrouble === undefined) return found(log, onPath, 'PATH');
  tried.push(`PATH: ${onPath === undefined ? '' : `${onPath}: `}${pathTrouble}`);

  const cacheTrouble = isFile(cached) ? await troubleRunning(cached) : 'not there';
  if (cacheTrouble === undefined) return found(log, cached, 'cache');
  tried.push(`cache ${cached}: ${cacheTrouble}`);

  mkdirSync(directory, { recursive: true });
  for (const [name, obtain] of [
    ['download by the Temporal SDK', downloadBySdk],
    [`go install github.com/temporalio/cli/cmd/temporal@v${temporalCliVersion}`, buildWithGo],
  ]) {
    const workshop = mkdtempSync(join(directory, 'part-'));
    try {
      log(`Temporal CLI: ${name} ...`);
      const made = await obtain(workshop, log, env);
      const trouble = await troubleRunning(made);
      if (trouble !== undefined) throw new Error(trouble);
      // Renamed into place, so that two that look at once cannot see half a file.
      renameSync(made, cached);
      return found(log, cached, name);
    } catch (error) {
      const line = `${name}: ${messageOf(error)}`;
      log(`Temporal CLI: ${line}`);
      tried.push(line);
    } finally {
      rmSync(workshop, { recursive: true, force: true });
    }
  }
  throw new Error(
    ['No Temporal CLI could be obtained. Tried:', ...tried.map((line) => `  - ${line}`)].join('\n') +
      '\nDo one of these: install the Temporal CLI by your package manager (docs.temporal.io/cli); install Go 1.24 or newer' +
      '\nand try again; or set TEMPORAL_CLI to the path of a `temporal` executable.',
  );
}

/**
 * Finds or makes the time-skipping test server (Java, fetched by Maven once).
 * @param {Options} [options]
 * @returns {Promise<string>} path of a script that takes a port and becomes the server
 * @throws {Error} when java or mvn is missing, or Maven fails
 */
export async function obtainTimeSkippingServer({ log = ignore, env = process.env } = {}) {
  const directory = join(cacheDirectory(env), `temporal-test-server-${testServerVersion}`);
  const script = join(directory, 'temporal-test-server');
  for (const program of ['java', 'mvn']) {
    if (findOnPath(program, env) === undefined && !(program === 'mvn' && isFile(script))) {
      throw new Error(
        `the time-skipping Temporal server needs ${program}, which is not on PATH (Debian: apt-get install maven)`,
      );
    }
  }
  if (isFile(script)) return script;

  mkdirSync(cacheDirectory(env), { recursive: true });
  const workshop = mkdtempSync(join(cacheDirectory(env), 'test-server-part-'));
  try {
    log(`Time-skipping Temporal server ${testServerVersion}: fetching about 40 MB of jars with Maven ...`);
    const pom = fileURLToPath(new URL('./temporal-test-server.pom.xml', import.meta.url));
    const jars = join(workshop, 'lib');
    // Maven writes `target` beside the pom unless told; everything stays in the workshop.
    const goal = ['-B', '-q', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${jars}`];
    await run('mvn', [...goal, `-Dproject.build.directory=${workshop}`], { env, limitMs: mavenLimitMs });
    // The SDK kills only its direct child, so the script must become the server. The flags bring the boot to about 1 s.
    const java = 'exec java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto';
    const text = `#!/bin/sh\n${java} -cp '${join(directory, 'lib')}/*' io.temporal.testserver.TestServer "$@"\n`;
    writeFileSync(join(workshop, 'temporal-test-server'), text, { mode: 0o755 });
    renameSync(workshop, directory);
  } catch (error) {
    rmSync(workshop, { recursive: true, force: true });
    // Somebody else may have finished first.
    if (!isFile(script)) throw error;
  }
  return script;
}

/** @returns {string} where Umbra keeps what it has fetched or built, shared by all checkouts */
export function cacheDirectory(env = process.env) {
  return join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'umbra');
}

/** @returns {string | undefined} the first executable of that name on PATH, not counting what npm puts there */
export function findOnPath(name, env = process.env) {
  return (env['PATH'] ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '' && !folder.includes(join('node_modules', '.bin')))
    .map((folder) => (folder.endsWith(sep) ? folder + executableName(name) : join(folder, executableName(name))))
    .find(isExecutable);
}

/** The SDK downloads only when it starts a server, so a child process starts one and stops it again. */
async function downloadBySdk(workshop, log) {
  const program = `
    const { TestWorkflowEnvironment } = await import('@temporalio/testing');
    const executable = { type: 'cached-download', downloadDir: process.argv[1] };
    try {
      await (await TestWorkflowEnvironment.createLocal({ server: { executable } })).teardown();
    } catch (error) {
      console.error(error.message.split(': ').slice(-2).join(': '));
      process.exit(1);
    }`;
  let bytes = 0;
  let grewAt = Date.now();
  let saidAt = Date.now();
  const silence = () => {
    const now = Date.now();
    const size = sizeOf(workshop);
    if (size > bytes) [bytes, grewAt] = [size, now];
    if (now - saidAt >= progressEveryMs) {
      saidAt = now;
      log(`Temporal CLI: ${(bytes / 1e6).toFixed(0)} MB so far`);
    }
    return now - grewAt > downloadSilenceMs ? `nothing arrived for ${downloadSilenceMs / 1000} s` : undefined;
  };
  await run(process.execPath, ['--input-type=module', '-e', program, workshop], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    limitMs: downloadLimitMs,
    watch: silence,
  });
  const [file] = readdirSync(workshop)
    .map((name) => join(workshop, name))
    .filter(isExecutable);
  if (file === undefined) throw new Error('the SDK reported success but left no executable');
  return file;
}

async function buildWithGo(workshop, log, env) {
  if (findOnPath('go', env) === undefined) throw new Error('go is not on PATH');
  log('Temporal CLI: building takes 3 to 5 minutes on two cores, once; about 1 GB is fetched and compiled');
  const startedAt = Date.now();
  let packages = 0;
  let saidAt = Date.now();
  await run('go', ['install', '-v', `github.com/temporalio/cli/cmd/temporal@v${temporalCliVersion}`], {
    env: { ...env, GOBIN: workshop, CGO_ENABLED: '0' },
    limitMs: goLimitMs,
    onError: (text) => (packages += text.split('\n').length - 1),
    watch: () => {
      if (Date.now() - saidAt >= progressEveryMs) {
        saidAt = Date.now();
        log(`Temporal CLI: ${packages} packages fetched or compiled, ${Math.round((Date.now() - startedAt) / 1000)} s`);
      }
      return undefined;
    },
  });
  return join(workshop, executableName('temporal'));
}

/**
 * Runs a program to its end without a shell and without input.
 * `watch` is asked twice a second and may name a reason to give up.
 */
function run(program, args, { env = process.env, cwd, limitMs, watch = () => undefined, onError = ignore }) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    let tail = '';
    let givenUp;
    const startedAt = Date.now();
    const keep = (text) => (tail = (tail + text).slice(-2_000));
    child.stdout.setEncoding('utf8').on('data', keep);
    child.stderr.setEncoding('utf8').on('data', (text) => {
      keep(text);
      onError(text);
    });
    const timer = setInterval(() => {
      givenUp ??=
        watch() ?? (Date.now() - startedAt > limitMs ? `not done after ${limitMs / 60_000} minutes` : undefined);
      if (givenUp !== undefined) child.kill('SIGKILL');
    }, 500);
    child.on('error', (error) => {
      clearInterval(timer);
      reject(error);
    });
    child.on('close', (code) => {
      clearInterval(timer);
      if (givenUp !== undefined) reject(new Error(`gave up: ${givenUp}`));
      else if (code === 0) resolve(undefined);
      else reject(new Error(`${program} ended with ${code}: ${tail.trim().split('\n').slice(-3).join(' | ')}`));
    });
  });
}

async function troubleRunning(path) {
  try {
    await run(path, ['--version'], { limitMs: 20_000 });
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function found(log, path, by) {
  log(`Temporal CLI: ${path} (${by})`);
  return path;
}

function executableName(name) {
  return process.platform === 'win32' ? `${name}.exe` : name;
}

function isFile(path) {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

function isExecutable(path) {
  if (!isFile(path)) return false;
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function sizeOf(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce(
      (sum, entry) => sum + (statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0),
      0,
    );
}

function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}
