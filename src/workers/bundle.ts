import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { BundleOptions, WorkflowBundleOption } from '@temporalio/worker';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';

/** The workflows' source in a checkout, their compiled form in `dist`. */
function sourceOf(module: string): string {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return fileURLToPath(new URL(`../workflows/${module}.${extension}`, import.meta.url));
}

/** How production bundles workflows: `workflowsPath` where a test or a benchmark adds others. */
export function bundling(workflowsPath = sourceOf('index')): BundleOptions {
  return { workflowsPath, preloadModules: [sourceOf('without-stacks')], logger: new DefaultLogger('WARN') };
}

let bundled: Promise<WorkflowBundleOption> | undefined;

/** All workflows: the bundle that `npm run build` has left, else bundled once per process in 2-3 s. */
export function bundleWorkflows(): Promise<WorkflowBundleOption> {
  const built = fileURLToPath(new URL('../workflow-bundle.cjs', import.meta.url));
  if (import.meta.url.endsWith('.js') && existsSync(built)) return Promise.resolve({ codePath: built });
  bundled ??= bundleWorkflowCode(bundling());
  return bundled;
}
