import type { Terminal } from '../../../src/cli/terminal.ts';

export type FakeTerminal = Terminal & { readonly said: { out: string; err: string } };

/** A terminal that remembers what was said. Piped unless told. */
export function fakeTerminal(
  options: Partial<Terminal> & { api?: string; instanceFile?: string; input?: string } = {},
): FakeTerminal {
  const { api, instanceFile, input, ...rest } = options;
  const said = { out: '', err: '' };
  return {
    said,
    out: (text) => void (said.out += text),
    err: (text) => void (said.err += text),
    isTerminal: false,
    columns: 0,
    colors: false,
    surroundings: {
      api,
      token: undefined,
      instanceFile: instanceFile ?? '/nowhere/instance.json',
      noColor: true,
      user: 'ada',
      webRoot: undefined,
      temporalCli: undefined,
    },
    now: () => 1_000_000,
    readStdin: () => Promise.resolve(input ?? ''),
    interrupted: new AbortController().signal,
    ...rest,
  };
}
