/** How a failure of the world should be treated. `ambiguous`: it may have happened; reconcile, never assume. */
export type FailureClass =
  | 'auth'
  | 'permission'
  | 'invalid'
  | 'not-found'
  | 'exists'
  | 'already-done'
  | 'locked'
  | 'agent-down'
  | 'transient'
  /** The cluster says that the node is off: nothing can be done there, and a pause does not help. */
  | 'offline'
  | 'ambiguous'
  | 'quorum'
  | 'capacity'
  | 'permanent';

/** A failure of the world, said once: who, what was attempted, on what, and how to treat it. Holds no secret. */
export class ProviderError extends Error {
  readonly provider: string;
  readonly operation: string;
  readonly target: string;
  readonly failureClass: FailureClass;

  constructor(
    what: { provider: string; operation: string; target: string; failureClass: FailureClass; message: string },
    options?: ErrorOptions,
  ) {
    super(`${what.provider}: ${what.operation} ${what.target}: ${what.message}`, options);
    this.name = 'ProviderError';
    this.provider = what.provider;
    this.operation = what.operation;
    this.target = what.target;
    this.failureClass = what.failureClass;
  }
}
