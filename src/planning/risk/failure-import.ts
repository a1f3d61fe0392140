import type { EpochMs } from '../../domain/time.ts';

/** A failure known from elsewhere: `at,hosted_vm[,what]`. */
export type ImportedFailure = { readonly at: EpochMs; readonly hostedVmId: string; readonly what: string };

export type FailureImport = {
  readonly failures: readonly ImportedFailure[];
  /** Lines that were not taken, with the line number and why. */
  readonly refused: readonly { readonly line: number; readonly why: string }[];
};

/**
 * Reads `timestamp,hosted VM,what happened`, a header allowed. Unknown hosted VMs, times in the future and times
 * that cannot be read are refused line by line; a repeated line counts once.
 */
export function parseFailures(text: string, known: ReadonlySet<string>, now: EpochMs): FailureImport {
  const failures: ImportedFailure[] = [];
  const refused: { line: number; why: string }[] = [];
  const seen = new Set<string>();
  text.split(/\r?\n/).forEach((raw, index) => {
    const row = raw.trim();
    if (row === '') return;
    const [stamp = '', hostedVmId = '', ...what] = row.split(',').map((cell) => cell.trim());
    const at = Date.parse(
      /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?$/.test(stamp) ? `${stamp.replace(' ', 'T')}Z` : stamp,
    );
    const line = index + 1;
    if (Number.isNaN(at)) {
      if (line > 1) refused.push({ line, why: `"${stamp}" is not a time such as 2026-03-01T12:00:00Z` });
    } else if (at > now) refused.push({ line, why: `${stamp} is in the future` });
    else if (!known.has(hostedVmId)) refused.push({ line, why: `there is no hosted VM "${hostedVmId}"` });
    else if (!seen.has(`${at} ${hostedVmId}`)) {
      seen.add(`${at} ${hostedVmId}`);
      failures.push({ at, hostedVmId, what: what.join(', ') });
    }
  });
  return { failures, refused };
}
