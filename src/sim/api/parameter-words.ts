import type { Parameter, PropertyString } from './parameters.ts';
import type { Release } from '../world/world.ts';

/** Short words for the tables: every one of these is optional; `must` makes it required. */
export const flag: Parameter = { type: 'boolean', optional: true };
export const text: Parameter = { type: 'string', optional: true };
export const whole = (minimum?: number, maximum?: number): Parameter => ({
  type: 'integer',
  optional: true,
  ...(minimum === undefined ? {} : { minimum }),
  ...(maximum === undefined ? {} : { maximum }),
});
export const decimal = (minimum?: number, maximum?: number): Parameter => ({
  ...whole(minimum, maximum),
  type: 'number',
});
export const oneOf = (...words: string[]): Parameter => ({ type: 'string', optional: true, enum: words });
export const like = (format: string | PropertyString, maxLength?: number): Parameter => ({
  type: 'string',
  optional: true,
  format,
  ...(maxLength === undefined ? {} : { maxLength }),
});
export const atMost = (maxLength: number): Parameter => ({ type: 'string', optional: true, maxLength });
export const pattern = (source: string): Parameter => ({ type: 'string', optional: true, pattern: source });

export function must(parameter: Parameter): Parameter {
  const required: { -readonly [key in keyof Parameter]: Parameter[key] } = { ...parameter };
  delete required.optional;
  return required;
}
export const needs = (other: string, parameter: Parameter): Parameter => ({ ...parameter, requires: other });
/** Known from PVE 9 on. */
export const since9 = (parameter: Parameter): Parameter => ({ ...parameter, only: ['9.1', '9.2'] satisfies Release[] });
