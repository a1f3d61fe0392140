export type Layer = {
  readonly names: readonly string[];
  readonly pure: boolean;
  readonly toCome: boolean;
  readonly may: readonly { readonly name: string; readonly typesOnly: boolean }[];
};

export type ImportRule = {
  readonly name: string;
  readonly severity: 'error';
  readonly from: { readonly path: readonly string[] };
  readonly to: Readonly<Record<string, unknown>>;
};

export function layersOf(markdown: string): Layer[];
export function importRules(markdown: string, entries: readonly string[]): ImportRule[];
