import type { FailureClass } from '../../ports/errors.ts';
import { ProviderError } from '../../ports/errors.ts';
import { classify } from './classify.ts';
import { redacted } from './redact.ts';
import type { Lack } from './rights.ts';

/** What Proxmox said, kept for whoever has to decide: the class for programs, the rest for people. */
export class ProxmoxError extends ProviderError {
  /** HTTP status; undefined for a task's exit status and for a connection that failed. */
  readonly status: number | undefined;
  /** Reason phrase, or the exit status. Redacted. */
  readonly reason: string;
  readonly errors: Readonly<Record<string, string>>;
  /** `/nodes/x/qemu/x/clone` with stars for parameters: free of names, good for metrics. */
  readonly pathTemplate: string;
  /** The right whose absence is the reason, where it is known. */
  readonly lack: Lack | undefined;

  constructor(
    what: {
      operation: string;
      target: string;
      failureClass: FailureClass;
      message: string;
      status?: number | undefined;
      reason?: string;
      errors?: Readonly<Record<string, string>>;
      pathTemplate?: string;
      lack?: Lack | undefined;
    },
    options?: ErrorOptions,
  ) {
    super({ provider: 'proxmox', ...what }, options);
    this.name = 'ProxmoxError';
    this.status = what.status;
    this.reason = what.reason ?? what.message;
    this.errors = what.errors ?? {};
    this.pathTemplate = what.pathTemplate ?? '';
    this.lack = what.lack;
  }

  /** The same, and more said. */
  with(more: string): ProxmoxError {
    const { operation, target, failureClass, status, reason, errors, pathTemplate, lack } = this;
    const what = { operation, target, failureClass, status, reason, errors, pathTemplate, lack };
    const said = new ProxmoxError({ ...what, message: '' }, { cause: this });
    said.message = `${this.message}${more}`;
    return said;
  }
}

/** A call that was answered with an error. A read cannot be ambiguous: it is only to be repeated. */
export function httpError(
  call: { readonly method: string; readonly target: string; readonly pathTemplate: string },
  answer: { readonly status: number; readonly reason: string; readonly body: unknown },
): ProxmoxError {
  const { message, errors } = errorBody(answer.body);
  const reason = answer.reason === '' ? `HTTP ${answer.status}` : answer.reason;
  const found = classify({ status: answer.status, text: `${reason}\n${message}`, errors });
  const details = Object.entries(errors).map(([key, text]) => `${key}: ${text}`);
  const said = message === '' || message.startsWith(reason) ? reason : `${reason} (${message})`;
  return new ProxmoxError({
    operation: `${call.method} ${call.pathTemplate}`,
    target: call.target,
    failureClass: found === 'ambiguous' && call.method === 'GET' ? 'transient' : found,
    message: redacted([`${answer.status} ${said}`, ...details].join('; ')),
    status: answer.status,
    reason: redacted(reason),
    errors: Object.fromEntries(Object.entries(errors).map(([key, text]) => [key, redacted(text)])),
    pathTemplate: call.pathTemplate,
    lack: lackIn(`${reason} ${message}`),
  });
}

/** A task that ended with something other than OK or WARNINGS. */
export function taskError(what: {
  readonly type: string;
  readonly target: string;
  readonly exitStatus: string;
  readonly log: readonly string[];
}): ProxmoxError {
  const log = what.log.length === 0 ? '' : ` (log: ${what.log.join(' | ')})`;
  return new ProxmoxError({
    operation: `task ${what.type}`,
    target: what.target,
    failureClass: classify({ text: what.exitStatus }),
    message: redacted(`${what.exitStatus}${log}`),
    reason: redacted(what.exitStatus),
    lack: lackIn(what.exitStatus),
  });
}

/** `Permission check failed (/vms/101, VM.Audit)`, or `A|B` where either would do. */
function lackIn(text: string): Lack | undefined {
  const [, path, privilege] = /Permission check failed \((\/[^,\s]*), ([A-Za-z.|]+)/.exec(text) ?? [];
  return path === undefined || privilege === undefined ? undefined : { path, privilege };
}

/** True for a ProviderError of one of these classes. */
export function isFailure(error: unknown, ...classes: readonly FailureClass[]): error is ProviderError {
  return error instanceof ProviderError && classes.includes(error.failureClass);
}

function errorBody(body: unknown): { message: string; errors: Record<string, string> } {
  if (typeof body === 'string') return { message: body.trim(), errors: {} };
  if (typeof body !== 'object' || body === null) return { message: '', errors: {} };
  const { message, errors } = body as { message?: unknown; errors?: unknown };
  const texts: Record<string, string> = {};
  if (typeof errors === 'object' && errors !== null) {
    for (const [key, text] of Object.entries(errors)) texts[key] = String(text).trim();
  }
  return { message: typeof message === 'string' ? message.trim() : '', errors: texts };
}
