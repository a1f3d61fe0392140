/** Why something is done or left alone. One value, rendered by the log, the API, the dashboard and the backtest alike. */
export type Reason = {
  /** Stable, for machines: `primary-silent`, `within-capacity`. */
  readonly code: string;
  /** One short active sentence for an operator. */
  readonly text: string;
  /** The numbers behind the sentence. */
  readonly facts?: Readonly<Record<string, number | string | boolean>>;
};

/** A command or a plan that is not carried out now, and what would make it possible. An ordinary value, never thrown. */
export type Refusal = { readonly kind: 'refused'; readonly reason: Reason };

export function refuse(code: string, text: string, facts?: Reason['facts']): Refusal {
  return { kind: 'refused', reason: facts === undefined ? { code, text } : { code, text, facts } };
}

/** A broken promise of our own code. In a workflow the run waits for the fix; elsewhere the process ends. */
export function invariant(holds: boolean, whatMustBeTrue: string): asserts holds {
  if (!holds) throw new Error(`invariant broken: ${whatMustBeTrue}`);
}

export function assertNever(value: never): never {
  throw new Error(`unexpected value: ${JSON.stringify(value)}`);
}
