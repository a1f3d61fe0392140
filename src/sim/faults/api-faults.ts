/** What an API may do instead of answering. `ok` is the absence of all of these. */
export const apiFaults = ['slow', '500', 'stall', 'reset-before', 'reset-after', '596', 'truncate'] as const;
export type ApiFault = (typeof apiFaults)[number];

type Rule = {
  readonly fault: ApiFault;
  /** How many more calls it hits. */
  left: number;
  readonly method: string | undefined;
  /** Part of the path. */
  readonly path: string | undefined;
};

/** The faults of the API of each node, taken one call at a time. */
export class Faults {
  readonly slowMs = 2000;
  readonly #rules = new Map<string, Rule>();
  readonly #waiting = new Map<string, (() => void)[]>();

  set(node: string, rule: Rule): void {
    this.#rules.set(node, rule);
  }

  /** Back to normal; what was held back happens now. */
  clear(node: string): void {
    this.#rules.delete(node);
    for (const resume of this.#waiting.get(node) ?? []) resume();
    this.#waiting.delete(node);
  }

  /** The fault this call gets. */
  take(node: string, method: string, path: string): ApiFault | undefined {
    const rule = this.#rules.get(node);
    if (!rule || (rule.method !== undefined && rule.method !== method)) return undefined;
    if (rule.path !== undefined && !path.includes(rule.path)) return undefined;
    rule.left -= 1;
    if (rule.left <= 0 && rule.fault !== 'stall') this.#rules.delete(node);
    return rule.fault;
  }

  /** Whether the privileged daemon of a node stands still for calls that come from other nodes. */
  isStalled(node: string): boolean {
    const rule = this.#rules.get(node);
    return rule?.fault === 'stall' && rule.method === undefined && rule.path === undefined;
  }

  untilResumed(node: string): Promise<void> {
    return new Promise((resolve) => {
      const queue = this.#waiting.get(node) ?? [];
      this.#waiting.set(node, queue);
      queue.push(resolve);
    });
  }

  describe(node: string): string {
    return this.#rules.get(node)?.fault ?? 'ok';
  }
}
