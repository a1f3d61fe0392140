import { createAdoptionActivities } from './adoption.ts';
import type { ActivityDeps } from './deps.ts';
import { createFailoverActivities } from './failover.ts';
import { createFleetActivities } from './fleet.ts';
import { createProbationActivities } from './probation.ts';
import { createProvisioningActivities } from './provisioning.ts';
import { createEvaluationActivities, createProjectionActivities, createReconcileActivities } from './upkeep.ts';

/** Activities by the task queue that runs them. */
export function createActivities(deps: ActivityDeps) {
  return {
    failover: createFailoverActivities(deps),
    provisioning: {
      ...createAdoptionActivities(deps),
      ...createProvisioningActivities(deps),
      ...createProbationActivities(deps),
      ...createReconcileActivities(deps),
    },
    forecasting: { ...createEvaluationActivities(deps), ...createFleetActivities(deps) },
    workflows: createProjectionActivities(deps),
  };
}

export type Activities = ReturnType<typeof createActivities>;
