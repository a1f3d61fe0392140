import { formatDuration, secondMs } from '../domain/time.ts';

/** One line of `umbra doctor`. */
export type Finding = {
  readonly check: string;
  readonly subject: string;
  /** What it stands in the way of: `Umbra`, `cluster lab`, `zone example.com`, or the id of a hosted VM. */
  readonly group: string;
  readonly verdict: 'ok' | 'warn' | 'fail';
  readonly text: string;
  /** The command or the change that mends it. */
  readonly mend?: string;
};

/** Whatever is away is said to be after this time; what it still may answer is not waited for. */
export const limitMs = 5 * secondMs;

export type Looked<T> =
  { readonly value: T; readonly failed?: undefined } | { readonly failed: Finding; readonly value?: undefined };

/** Does one look within the limit; a failure is a finding. Never rejects. */
export async function looked<T>(
  about: Pick<Finding, 'check' | 'subject' | 'group'>,
  work: (signal: AbortSignal) => Promise<T>,
  mend?: string,
): Promise<Looked<T>> {
  const ending = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      // The limit is said before the abort's own error is.
      reject(new Error(`no answer within ${formatDuration(limitMs)}`));
      ending.abort();
    }, limitMs);
  });
  try {
    return { value: await Promise.race([work(ending.signal), late]) };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { failed: { ...about, verdict: 'fail', text, ...(mend === undefined ? {} : { mend }) } };
  } finally {
    clearTimeout(timer);
  }
}
