import type { Value, Values } from '../api/parameters.ts';
import { Refusal } from '../api/refusal.ts';

const decode = (text: string): string => {
  const spaced = text.replaceAll('+', ' ');
  try {
    return decodeURIComponent(spaced);
  } catch {
    return spaced.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  }
};

/** `a=1&b=2;c=3`. A key given twice becomes a list. */
export function parseForm(text: string): Values {
  const values: Values = {};
  for (const pair of text.split(/[&;]/)) {
    if (pair === '') continue;
    const at = pair.indexOf('=');
    const key = decode(at < 0 ? pair : pair.slice(0, at));
    const value = at < 0 ? '' : decode(pair.slice(at + 1));
    const known = values[key];
    values[key] = known === undefined ? value : Array.isArray(known) ? [...(known as Value[]), value] : [known, value];
  }
  return values;
}

/** JSON bodies keep their booleans; numbers and texts are one to PVE. */
export function parseJson(text: string): Values {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new Refusal(400, `bad request: ${error instanceof Error ? error.message : ''}`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new Refusal(400, 'bad request: a JSON object is expected');
  }
  return Object.fromEntries(
    Object.entries(parsed)
      .filter(([, value]) => value !== null)
      .map(([key, value]) => [key, typeof value === 'number' ? String(value) : (value as Value)]),
  );
}
