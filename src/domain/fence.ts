import type { Reason } from './reason.ts';

/**
 * What came of making certain that an instance cannot serve any more. Only `stopped` is proof. `isolated` takes no
 * request for as long as nobody lets it, because it stands still or its traffic is dropped: enough where running twice is
 * harmless (`stateless`), and to be stopped for good. `unreachable`: its node gave no sign, so it may run there. `held`: it runs, and somebody's operation
 * keeps it from being stopped; `proof` says whose, and what a human can do.
 */
export type Fence =
  | { readonly kind: 'stopped'; readonly fenced: true; readonly proof: string }
  | { readonly kind: 'isolated' | 'unreachable' | 'held'; readonly fenced: false; readonly proof: string };

/** How it stands with an instance whose fence is not proved. Outcomes recorded by older versions have no kind. */
export function fenceOpen(name: string, fence: Pick<Fence, 'proof'> & Partial<Fence>): Reason {
  if (fence.kind === 'isolated') {
    return {
      code: 'isolated',
      text: `${name} is isolated and will be stopped for good when it can be: ${fence.proof}`,
    };
  }
  return { code: 'not-fenced', text: `${name} is not proved fenced: ${fence.proof}` };
}
