/** One of Umbra's processes, or a part of `umbra dev`. */
export type Process = {
  /** Finishes what is being done and stops. */
  stop(): Promise<void>;
  /** Rejects when it cannot go on by itself; left out where that cannot happen. */
  readonly done?: Promise<void>;
};

/** A process with everything it has opened. */
export type Running = {
  /** Ends everything within 5 s. */
  close(): Promise<void>;
  /** Resolves when it has ended by itself, as a replay does; rejects when it cannot go on. */
  readonly ended?: Promise<void>;
};
