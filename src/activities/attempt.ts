import { Context } from '@temporalio/activity';

/** Says to Temporal that this attempt is alive; a lost worker is noticed when it stops. */
export function beat(): void {
  Context.current().heartbeat();
}

/** Aborts when the attempt is cancelled, timed out or its worker stops. */
export function cancellation(): AbortSignal {
  return Context.current().cancellationSignal;
}
