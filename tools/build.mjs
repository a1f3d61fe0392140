import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, extname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bootstrap } from './bootstrap.mjs';
import { buildDashboard } from './dashboard.mjs';
import { root, runToEnd, say } from './run.mjs';

// `npm run build`: dist/ runs by itself with `node dist/main.js` and the production packages.
await bootstrap();

const source = fileURLToPath(new URL('src', root));
const dist = fileURLToPath(new URL('dist', root));
/** What the program reads beside its own code. */
const assets = new Set(['.sql', '.json', '.wasm', '.proto', '.yaml', '.sh', '.txt', '.html']);

async function compile() {
  const tsc = fileURLToPath(new URL('node_modules/typescript/bin/tsc', root));
  const { code } = await runToEnd([process.execPath, [tsc, '-p', 'tsconfig.build.json']]);
  if (code !== 0) throw new Error('tsc found errors (above)');
}

async function copyAssets() {
  const entries = await readdir(source, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    const from = join(entry.parentPath, entry.name);
    const path = relative(source, from);
    if (!entry.isFile() || !assets.has(extname(entry.name)) || path.startsWith('web')) continue;
    await mkdir(dirname(join(dist, path)), { recursive: true });
    await copyFile(from, join(dist, path));
  }
}

/** Production workers load this file instead of running the bundler at every start. */
async function bundleWorkflows() {
  const workflowsPath = join(dist, 'workflows', 'index.js');
  if (!existsSync(workflowsPath)) throw new Error('there is no src/workflows/index.ts to bundle');
  const { bundleWorkflowCode, DefaultLogger } = await import('@temporalio/worker');
  const preloadModules = [join(dist, 'workflows', 'without-stacks.js')];
  const { code } = await bundleWorkflowCode({ workflowsPath, preloadModules, logger: new DefaultLogger('WARN') });
  await writeFile(join(dist, 'workflow-bundle.cjs'), code);
}

const steps = [
  ['compile', compile],
  ['copy assets', copyAssets],
  ['build the dashboard', () => buildDashboard(join(dist, 'web'))],
  ['bundle the workflows', bundleWorkflows],
];

await rm(dist, { recursive: true, force: true });
for (const [name, step] of steps) {
  const startedAt = performance.now();
  try {
    await step();
    say(`ok   ${name} (${((performance.now() - startedAt) / 1000).toFixed(1)} s)`);
  } catch (error) {
    say(`FAIL ${name}: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(1);
  }
}
