import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root, runToEnd } from './run.mjs';

const sources = ['src/web', 'src/domain', 'package-lock.json'];
const cache = fileURLToPath(new URL('node_modules/.cache/', root));

/** Builds the dashboard into `directory`, emptying it first. In a process of its own: Vite is large, and jest cannot hold it. */
export async function buildDashboard(directory) {
  const vite = fileURLToPath(new URL('node_modules/vite/bin/vite.js', root));
  const config = fileURLToPath(new URL('src/web/vite.config.ts', root));
  const options = ['--config', config, '--outDir', directory, '--emptyOutDir', '--logLevel', 'warn'];
  const { code, text } = await runToEnd([process.execPath, [vite, 'build', ...options]], { output: 'collect' });
  if (code !== 0) throw new Error(`the dashboard could not be built:\n${text}`);
}

/**
 * The built dashboard of just these sources; built (2 s) when they have changed.
 * @returns {Promise<string>} a directory with index.html and assets/
 */
export async function ensureDashboardBuilt({ log = () => undefined } = {}) {
  const directory = join(cache, `umbra-web-${sourceHash()}`);
  if (existsSync(join(directory, 'index.html'))) return directory;
  log('Dashboard: building ...');
  mkdirSync(cache, { recursive: true });
  const workshop = mkdtempSync(join(cache, 'umbra-web-part-'));
  try {
    await buildDashboard(workshop);
    renameSync(workshop, directory);
  } catch (error) {
    rmSync(workshop, { recursive: true, force: true });
    if (!existsSync(join(directory, 'index.html'))) throw error;
  }
  return directory;
}

function sourceHash() {
  const hash = createHash('sha256');
  for (const source of sources) hashInto(hash, fileURLToPath(new URL(source, root)));
  return hash.digest('hex').slice(0, 16);
}

function hashInto(hash, path) {
  const kind = statSync(path);
  if (kind.isDirectory()) for (const entry of readdirSync(path).sort()) hashInto(hash, join(path, entry));
  else hash.update(basename(path)).update(readFileSync(path));
}
