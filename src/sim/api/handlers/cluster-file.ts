import { whileDoing } from '../refusal.ts';
import type { Call } from '../operation.ts';

/** One file of the cluster is written under its lock; what fails there says what was attempted. */
export function changeClusterFile<Result>(call: Call, lock: string, failing: string, work: () => Result): Result {
  try {
    call.cluster.requireClusterLock(call.node, lock);
    return work();
  } catch (error) {
    throw whileDoing(failing, error);
  }
}

/** Users, groups, roles, rights and pools are one file. */
export const changeUserConfig = <Result>(call: Call, failing: string, work: () => Result): Result =>
  changeClusterFile(call, 'file-user_cfg', failing, work);
