/** What the program ends with; scripts may rely on these. */
export const exitCodes = {
  ok: 0,
  /** It was tried and went wrong; or, for `status` and `doctor`, not everything is well. */
  failure: 1,
  /** The command or a file it was given is not right; nothing was tried. */
  usage: 2,
  /** Umbra understood and said no, with a reason. */
  refused: 3,
  /** Nobody answered: no running instance, or a wrong address. */
  notReachable: 4,
  /** The API wants a token, or another role. */
  notAllowed: 5,
} as const;

export const exitCodeHelp = [
  'Exit codes:',
  '  0  ok',
  '  1  it was tried and failed; for status and doctor: not everything is well',
  '  2  the command line or a file is not right; nothing was tried',
  '  3  refused, with the reason',
  '  4  no running Umbra could be reached',
  '  5  a token or another role is needed',
].join('\n');

/** An end with a sentence for the operator: what was tried, on what, and the next step. */
export class Ending extends Error {
  readonly code: number;
  constructor(code: number, sentence: string, options?: ErrorOptions) {
    super(sentence, options);
    this.name = 'Ending';
    this.code = code;
  }
}
