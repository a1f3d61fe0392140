import {
  ActivityFailure,
  ApplicationFailure,
  isCancellation,
  TemporalFailure,
  TimeoutFailure,
} from '@temporalio/workflow';
import type { Reason } from '../domain/reason.ts';

/**
 * What a failed activity or signal means to an operator. Bugs of our own and cancellations are thrown on:
 * a bug stalls the run until it is mended, it never loses a VM.
 */
export function reasonOf(error: unknown, attempted: string): Reason {
  if (isCancellation(error) || !(error instanceof TemporalFailure)) throw error;
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof ApplicationFailure) {
    return { code: cause.type ?? 'failed', text: `${attempted} failed: ${cause.message}` };
  }
  if (cause instanceof TimeoutFailure) return { code: 'timed-out', text: `${attempted} timed out` };
  return { code: 'failed', text: `${attempted} failed: ${cause?.message ?? error.message}` };
}
