import { signal } from '@preact/signals';

const key = 'umbra-token';

/** The bearer token of this tab; empty on loopback, where none is needed. It ends with the tab. */
export const token = signal(sessionStorage.getItem(key) ?? '');

/** True once the API has refused the token or its absence: the page asks for one. */
export const tokenWanted = signal(false);

export function giveToken(text: string): void {
  sessionStorage.setItem(key, text);
  token.value = text;
  tokenWanted.value = false;
}

export function authorization(): Record<string, string> {
  return token.value === '' ? {} : { authorization: `Bearer ${token.value}` };
}
