import { runJob } from './trial.ts';
import type { Job } from './trial.ts';

// A child of `queue.ts`: one job in, one result out; ends when its parent hangs up.
process.on('message', (job: Job) => {
  void runJob(job).then((result) => process.send!(result));
});
