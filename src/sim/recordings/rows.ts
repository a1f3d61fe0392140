export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
export const textOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** What names a row of a list, the first of these that it has; entries of rights are named by all three of theirs. */
const names = [
  ...['key', 'volid', 'storage', 'poolid', 'sid', 'roleid', 'realm', 'userid', 'tokenid', 'groupid', 'iface'],
  ...['name', 'node'],
];

/** Lists of rows come in the order of a hash; rows are brought into one by what names them. */
export function unordered(
  theirs: readonly unknown[],
  ours: readonly unknown[],
): [readonly unknown[], readonly unknown[]] {
  const nameOf = (row: unknown): string => {
    if (!isObject(row)) return typeof row === 'string' ? row : '';
    if (row['ugid'] !== undefined) return ['path', 'ugid', 'roleid'].map((name) => textOf(row[name])).join(' ');
    if (row['id'] !== undefined && row['upid'] === undefined) return textOf(row['id']);
    return textOf(row[names.find((name) => row[name] !== undefined && row[name] !== null) ?? ''] ?? '');
  };
  const sortable = (rows: readonly unknown[]): boolean =>
    rows.every((row) => nameOf(row) !== '' && !(isObject(row) && row['upid'] !== undefined));
  if (!sortable(theirs) || !sortable(ours)) return [theirs, ours];
  const sort = (rows: readonly unknown[]): unknown[] => [...rows].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  return [sort(theirs), sort(ours)];
}
