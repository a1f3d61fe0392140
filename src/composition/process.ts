/** One of Umbra's processes, or a part of `umbra dev`. */
export type Process = {
  /** Finishes what is being done and stops. */
  stop(): Promise<void>;
  /** Rejects when it cannot go on by itself; left out where that cannot happen. */
  readonly done?: Promise<void>;
};
