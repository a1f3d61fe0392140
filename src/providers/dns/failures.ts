import { ProviderError } from '../../ports/errors.ts';
import { MalformedMessage, InvalidName } from './name.ts';
import { UnusableAnswer } from './observe.ts';
import { TransportError } from './transport.ts';
import { TsigError } from './tsig.ts';
import type { FailureClass } from '../../ports/errors.ts';
import type { UpdateReply } from './client.ts';

export type Attempt = { readonly operation: string; readonly target: string };

export function failure(attempt: Attempt, failureClass: FailureClass, message: string, cause?: unknown): ProviderError {
  return new ProviderError({ provider: 'dns', ...attempt, failureClass, message }, { cause });
}

/** Says a failure of transport, signature or answer as the port promises it. Bugs and the caller's own abort pass through. */
export function asProviderError(attempt: Attempt, error: unknown): unknown {
  if (error instanceof TsigError) return failure(attempt, 'auth', error.message, error);
  if (error instanceof TransportError && error.fault !== 'aborted') {
    return failure(attempt, 'transient', error.message, error);
  }
  if (error instanceof UnusableAnswer) {
    return failure(attempt, error.lasting ? 'permanent' : 'transient', error.message, error);
  }
  if (error instanceof MalformedMessage) return failure(attempt, 'transient', error.message, error);
  if (error instanceof InvalidName || error instanceof RangeError) {
    return failure(attempt, 'invalid', error.message, error);
  }
  return error;
}

/** What an rcode that is neither success nor a failed prerequisite means for whoever asked for the update. */
export function refusal(attempt: Attempt, reply: UpdateReply): ProviderError {
  const say = (failureClass: FailureClass, next: string): ProviderError =>
    failure(attempt, failureClass, `the server says ${reply.rcode}${reply.signed ? '' : ' (unsigned)'}: ${next}`);
  switch (reply.rcode) {
    case 'SERVFAIL':
      return say('transient', 'look at its log');
    case 'NOTAUTH':
      return say('permanent', 'it does not have this zone as a primary; updates go to the first server of the zone');
    case 'REFUSED':
      return reply.signed
        ? say('permission', 'the key is known but may not update these names; see update-policy (BIND) or acl (Knot)')
        : say('auth', 'it does not know the key, or takes no updates for this zone from here');
    case 'NOTIMP':
      return say('permanent', 'dynamic updates are switched off');
    default:
      return say('permanent', 'it does not take this update');
  }
}
