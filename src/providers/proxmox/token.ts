import { ProviderError } from '../../ports/errors.ts';

const shape = /^([^\s@!=]+@[^\s@!=]+![A-Za-z][A-Za-z0-9._-]*)=([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$/;

export type ApiToken = { readonly id: string; readonly header: string };

/** @throws ProviderError auth when the file's content is not `user@realm!name=secret`; never shows it */
export function parseToken(content: string): ApiToken {
  const found = shape.exec(content.trim());
  if (found === null) {
    throw new ProviderError({
      provider: 'proxmox',
      operation: 'read token',
      target: 'cluster',
      failureClass: 'auth',
      message: 'the token file must hold one line user@realm!name=secret, the secret being a UUID',
    });
  }
  return { id: found[1]!, header: `PVEAPIToken=${found[1]!}=${found[2]!}` };
}

// Long enough to cost nothing per call, short enough that a rotated token is picked up without a restart.
const rereadMs = 10_000;

/** The token, read again every few seconds and after every refusal. */
export class TokenSource {
  readonly #read: () => Promise<string>;
  readonly #now: () => number;
  #held: { token: ApiToken; until: number } | undefined;

  constructor(read: () => Promise<string>, now: () => number) {
    this.#read = read;
    this.#now = now;
  }

  async current(): Promise<ApiToken> {
    if (this.#held === undefined || this.#now() >= this.#held.until) {
      this.#held = { token: parseToken(await this.#read()), until: this.#now() + rereadMs };
    }
    return this.#held.token;
  }

  forget(): void {
    this.#held = undefined;
  }
}
