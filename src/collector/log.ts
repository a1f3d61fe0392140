/** Where the collector says what happens; the composition gives it to its logger. Never client addresses. */
export type CollectorLog = (
  level: 'info' | 'warn' | 'error',
  text: string,
  facts?: Readonly<Record<string, number | string | boolean>>,
) => void;
