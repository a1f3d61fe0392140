/** Something wrong in a file the user wrote, and where: `inventory.yaml:14:7 hostedVms[0].policy.probation: "24x" is not a duration`. */
export type Problem = {
  readonly file: string;
  /** From 1; 0 where lines make no sense, as in an environment variable. */
  readonly line: number;
  readonly column: number;
  /** `hostedVms[0].policy.probation`; empty for trouble with the YAML itself. */
  readonly path: string;
  readonly message: string;
  /** What to write instead, when there is something short to say. */
  readonly hint?: string;
};

/** One line, as compilers write it, so that editors can jump to it. */
export function formatProblem(problem: Problem): string {
  const subject = problem.path === '' ? '' : ` ${problem.path}:`;
  if (problem.line === 0) return `${problem.file}${subject} ${problem.message}`;
  return `${problem.file}:${problem.line}:${problem.column}${subject} ${problem.message}`;
}

/** In the order of the file, which is the order in which a person mends them. */
export function sortProblems(problems: readonly Problem[]): Problem[] {
  return [...problems].sort((a, b) => a.line - b.line || a.column - b.column);
}
