import { DefaultLogger, NativeConnection, Runtime } from '@temporalio/worker';
import { startWorker } from '../../src/workers/worker.ts';
import { remoteDeps } from './remote-world.ts';

/** A worker in a process of its own: `remote-worker.ts TEMPORAL WORLD BUNDLE`. It is there to be killed. */
const [address, world, codePath] = process.argv.slice(2);
Runtime.install({ logger: new DefaultLogger('ERROR') });
const connection = await NativeConnection.connect({ address: address! });
const running = await startWorker(remoteDeps(world!), {
  connection,
  namespace: 'default',
  workflowBundle: { codePath: codePath! },
});
process.stdout.write('ready\n');
await running.done;
