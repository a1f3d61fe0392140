import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { toApplicationFailure } from '../activities/failure.ts';

/** Every activity's failure of the world leaves as an `ApplicationFailure` with a stable type. */
export const translateFailures: ActivityInterceptorsFactory = () => ({
  inbound: {
    async execute(input, next) {
      try {
        return await next(input);
      } catch (error) {
        throw toApplicationFailure(error);
      }
    },
  },
});
