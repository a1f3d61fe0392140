import { failed, Refusal } from '../refusal.ts';
import type { Call } from '../operation.ts';

/** Users, groups, roles, rights and pools are one file; what fails under its lock says what was attempted. */
export function changeUserConfig<Result>(call: Call, failing: string, work: () => Result): Result {
  try {
    call.cluster.requireClusterLock(call.node, 'file-user_cfg');
    return work();
  } catch (error) {
    if (!(error instanceof Refusal) || error.errors) throw error;
    throw failed(`${failing}: ${error.message}`);
  }
}
