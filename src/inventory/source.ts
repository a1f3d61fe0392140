import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Document, Node } from 'yaml';
import type { Problem } from './problem.ts';

/** Where a value stands: what its path is called, and the byte its key (or list item) starts at. */
export type Place = { readonly path: string; readonly offset: number };

/** Files larger than this are refused unread: an inventory of 10,000 hosted VMs has about 3 MiB. */
const maxSourceBytes = 16 * 1024 * 1024;

/** A YAML text that remembers where everything stands, and collects what is wrong with it. */
export type Source = {
  readonly root: Node | undefined;
  readonly rootPlace: Place;
  readonly problems: Problem[];
  report(place: Place, message: string, hint?: string): void;
  /** Follows an alias to what it stands for. */
  resolve(node: unknown): Node | undefined;
  /** The place of a path such as `['hostedVms', 0, 'names', 1]`, or of its nearest parent that was written. */
  placeOf(path: readonly (string | number)[]): Place;
};

export function openSource(text: string, file: string): Source {
  const lines = new LineCounter();
  const problems: Problem[] = [];
  const add = (offset: number, path: string, message: string, hint?: string): void => {
    const { line, col } = lines.linePos(offset);
    const where = { file, line: Math.max(1, line), column: Math.max(1, col), path, message };
    problems.push(hint === undefined ? where : { ...where, hint });
  };

  if (Buffer.byteLength(text) > maxSourceBytes) {
    problems.push({
      file,
      line: 1,
      column: 1,
      path: '',
      message: `is larger than ${maxSourceBytes / 1024 / 1024} MiB`,
    });
    return emptySource(problems, file);
  }
  const document: Document.Parsed = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: false });
  for (const error of document.errors) add(error.pos[0], '', sentence(error.message));
  for (const warning of document.warnings) add(warning.pos[0], '', sentence(warning.message));

  const resolve = (node: unknown): Node | undefined => {
    if (isAlias(node)) return node.resolve(document);
    return isMap(node) || isSeq(node) || isScalar(node) ? node : undefined;
  };
  const root = document.errors.length > 0 ? undefined : resolve(document.contents);
  const rootPlace: Place = { path: '', offset: root?.range?.[0] ?? 0 };

  return {
    root,
    rootPlace,
    problems,
    resolve,
    report: (place, message, hint) => {
      add(place.offset, place.path, message, hint);
    },
    placeOf: (path) => {
      let node = root;
      let place = rootPlace;
      for (const step of path) {
        const next = child(node, step);
        if (next === undefined) return { path: joinPath(place.path, step), offset: place.offset };
        place = { path: joinPath(place.path, step), offset: next.offset };
        node = resolve(next.value);
      }
      return place;
    },
  };
}

function child(node: Node | undefined, step: string | number): { value: unknown; offset: number } | undefined {
  if (typeof step === 'number') {
    const item = isSeq(node) ? (node.items[step] as Node | undefined) : undefined;
    return item === undefined ? undefined : { value: item, offset: item.range?.[0] ?? 0 };
  }
  const pair = isMap(node) ? node.items.find(({ key }) => isScalar(key) && key.value === step) : undefined;
  if (pair === undefined) return undefined;
  return { value: pair.value, offset: (pair.key as Node).range?.[0] ?? 0 };
}

export function joinPath(parent: string, step: string | number): string {
  if (typeof step === 'number') return `${parent}[${step}]`;
  const key = /^[\w-]+$/.test(step) ? step : JSON.stringify(step);
  return parent === '' ? key : `${parent}.${key}`;
}

function sentence(message: string): string {
  return `is not valid YAML: ${message.split('\n')[0] ?? message}`;
}

function emptySource(problems: Problem[], file: string): Source {
  const rootPlace: Place = { path: '', offset: 0 };
  return {
    root: undefined,
    rootPlace,
    problems,
    report: (place, message) => problems.push({ file, line: 1, column: 1, path: place.path, message }),
    resolve: () => undefined,
    placeOf: () => rootPlace,
  };
}
