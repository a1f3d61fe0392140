/** An answer of the API that is not 200: the reason phrase is the first line of the message. */
export class Refusal extends Error {
  readonly status: number;
  readonly errors: Record<string, string> | undefined;

  constructor(status: number, message: string, errors?: Record<string, string>) {
    super(message);
    this.name = 'Refusal';
    this.status = status;
    this.errors = errors;
  }
}

/** What a handler says with `die`: status 500, the text as reason. Inside a task it becomes the exit status. */
export const failed = (message: string): Refusal => new Refusal(500, message);

/** A parameter that is wrong for a reason its schema could not know. */
export const badParameter = (errors: Record<string, string>): Refusal =>
  new Refusal(400, 'Parameter verification failed.', errors);

export const notPermitted = (what?: string): Refusal =>
  new Refusal(403, what === undefined ? 'Permission check failed' : `Permission check failed (${what})`);
