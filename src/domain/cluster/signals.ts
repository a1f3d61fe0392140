/** Signals of the `cluster` workflow: the names `shadowVm`, `hostedVm` and `sweep` send. */
export const clusterSignals = {
  requestLease: 'requestLease',
  confirmLease: 'confirmLease',
  releaseLease: 'releaseLease',
  adoptLease: 'adoptLease',
  requestClone: 'requestClone',
  cloneDone: 'cloneDone',
  requestFailoverTokens: 'requestFailoverTokens',
  failoverHappened: 'failoverHappened',
  resetBreaker: 'resetBreaker',
} as const;
