import { signal } from '@preact/signals';

const key = 'umbra-token';
const nameKey = 'umbra-operator';

/** The bearer token of this tab; empty on loopback, where none is needed. It ends with the tab. */
export const token = signal(sessionStorage.getItem(key) ?? '');

/** True once the API has refused the token or its absence: the page asks for one. */
export const tokenWanted = signal(false);

export function giveToken(text: string): void {
  sessionStorage.setItem(key, text);
  token.value = text;
  tokenWanted.value = false;
}

/** The name an operator on loopback goes by, kept for their next command; with a token it is the token's. */
export const operatorName = signal(localStorage.getItem(nameKey) ?? '');

export function giveName(text: string): void {
  localStorage.setItem(nameKey, text);
  operatorName.value = text;
}

export function authorization(): Record<string, string> {
  if (token.value !== '') return { authorization: `Bearer ${token.value}` };
  return operatorName.value === '' ? {} : { 'x-umbra-actor': operatorName.value };
}
