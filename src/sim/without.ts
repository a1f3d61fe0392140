/** The same rows, less these. */
export const without = <Value>(
  things: Readonly<Record<string, Value>>,
  ...keys: readonly string[]
): Record<string, Value> => Object.fromEntries(Object.entries(things).filter(([key]) => !keys.includes(key)));
