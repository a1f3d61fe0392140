import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import type { FailureClass } from '../ports/errors.ts';
import { ProviderError } from '../ports/errors.ts';

/** Trying again as we are will not help: the workflow hears of it at once. */
const hopeless: ReadonlySet<FailureClass> = new Set([
  'auth',
  'permission',
  'invalid',
  'not-found',
  'exists',
  'permanent',
]);

/**
 * The one place where a failure of the world becomes what may cross into a workflow's history.
 * `type` is the stable failure class; `details` name provider, operation and target. Bugs stay as they are.
 */
export function toApplicationFailure(error: unknown): unknown {
  if (error instanceof ApplicationFailure || error instanceof CancelledFailure) return error;
  if (error instanceof ProviderError) {
    const { provider, operation, target, failureClass } = error;
    return ApplicationFailure.create({
      type: failureClass,
      message: error.message,
      nonRetryable: hopeless.has(failureClass),
      details: [{ provider, operation, target }],
    });
  }
  return error;
}
