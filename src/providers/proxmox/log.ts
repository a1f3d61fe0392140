/** What the provider needs of a logger; pino fits. */
export type ProxmoxLog = {
  debug(facts: object, text: string): void;
  info(facts: object, text: string): void;
  warn(facts: object, text: string): void;
};
