import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { obtainTemporalCli, obtainTimeSkippingServer } from '../../tools/temporal-server.mjs';
import { handedOver, missing } from './handed-over.ts';

const cache = new URL('../../node_modules/.cache/umbra-test/', import.meta.url);
const workflows = fileURLToPath(new URL('../../src/workflows/index.ts', import.meta.url));

/** Once per jest run: finds the Temporal servers and bundles the workflows. What is missing fails only the tests that ask for it. */
export default async function globalSetup(): Promise<void> {
  const log = (line: string): void => void process.stderr.write(`${line}\n`);
  const [cli, timeSkipping, bundle] = await Promise.all([
    orWhyNot(() => obtainTemporalCli({ log })),
    orWhyNot(() => obtainTimeSkippingServer({ log })),
    orWhyNot(bundleWorkflows),
  ]);
  process.env[handedOver.temporalCli] = cli;
  process.env[handedOver.timeSkippingServer] = timeSkipping;
  process.env[handedOver.workflowBundle] = bundle;
}

async function bundleWorkflows(): Promise<string> {
  if (!existsSync(workflows)) throw new Error('there is no src/workflows/index.ts to bundle');
  const { code } = await bundleWorkflowCode({ workflowsPath: workflows, logger: new DefaultLogger('WARN') });
  mkdirSync(cache, { recursive: true });
  // Two runs in one checkout must not share a file: one of them may be ahead of the other's source.
  const file = fileURLToPath(new URL(`workflows-${process.pid}.cjs`, cache));
  writeFileSync(file, code);
  return file;
}

async function orWhyNot(obtain: () => Promise<string>): Promise<string> {
  try {
    return await obtain();
  } catch (error) {
    return missing + (error instanceof Error ? error.message : String(error));
  }
}
