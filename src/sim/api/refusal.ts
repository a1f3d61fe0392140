/** An answer of the API that is not 200: the reason phrase is the first line of the message. */
export class Refusal extends Error {
  readonly status: number;
  readonly errors: Record<string, string> | undefined;
  /** The answer comes this late: something was waited for in vain. */
  readonly afterMs: number;

  constructor(status: number, message: string, errors?: Record<string, string>, afterMs = 0) {
    super(message);
    this.name = 'Refusal';
    this.status = status;
    this.errors = errors;
    this.afterMs = afterMs;
  }
}

/** The same failure, with what was attempted before it. Parameters are refused in words of their own. */
export const whileDoing = (what: string, error: unknown): unknown =>
  error instanceof Refusal && !error.errors
    ? new Refusal(500, `${what}: ${error.message}`, undefined, error.afterMs)
    : error;

/** What a handler says with `die`: status 500, the text as reason. Inside a task it becomes the exit status. */
export const failed = (message: string): Refusal => new Refusal(500, message);

/** A parameter that is wrong for a reason its schema could not know. */
export const badParameter = (errors: Record<string, string>): Refusal =>
  new Refusal(400, 'Parameter verification failed.', errors);

export const notPermitted = (what?: string): Refusal =>
  new Refusal(403, what === undefined ? 'Permission check failed' : `Permission check failed (${what})`);
