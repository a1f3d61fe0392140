import { fileURLToPath } from 'node:url';
import type { WorkflowBundle } from '@temporalio/worker';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';

/** The workflows' source in a checkout, their compiled form in `dist`. */
export function workflowsPath(): string {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return fileURLToPath(new URL(`../workflows/index.${extension}`, import.meta.url));
}

let bundled: Promise<WorkflowBundle> | undefined;

/** All workflows, bundled once per process: 2-3 s. */
export function bundleWorkflows(): Promise<WorkflowBundle> {
  bundled ??= bundleWorkflowCode({ workflowsPath: workflowsPath(), logger: new DefaultLogger('WARN') });
  return bundled;
}
