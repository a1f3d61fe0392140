/** One part of the inventory that its workflow has taken. */
export type Pushed = {
  readonly what: 'cluster' | 'hostedVm';
  readonly id: string;
  /** Of the specification as it was pushed. */
  readonly fingerprint: string;
  readonly revision: number;
};

/** Remembers what has been pushed, so that an apply survives a Temporal that is away and an API that is restarted. */
export interface PushLedger {
  all(): Promise<Pushed[]>;
  record(pushed: Pushed): Promise<void>;
  forget(what: Pushed['what'], id: string): Promise<void>;
}
