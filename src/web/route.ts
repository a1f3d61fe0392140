/** Every page is a value, and every value a URL that can be pasted into a chat. */
export type Route = { readonly page: PageName; readonly id: string; readonly query: ReadonlyMap<string, string> };

export type PageName = 'fleet' | 'hosted-vm' | 'capacity' | 'foresight' | 'edges' | 'events' | 'not-found';

const paths: Readonly<Record<string, PageName>> = {
  '/': 'fleet',
  '/capacity': 'capacity',
  '/foresight': 'foresight',
  '/edges': 'edges',
  '/events': 'events',
};

/** @param url path and query, such as `/vm/shop?range=24h` */
export function parseRoute(url: string): Route {
  const [path = '/', search = ''] = url.split('?', 2);
  const query = new Map(new URLSearchParams(search));
  const vm = /^\/vm\/([^/]+)\/?$/.exec(path)?.[1];
  if (vm !== undefined) return { page: 'hosted-vm', id: decodeURIComponent(vm), query };
  const trimmed = path.length > 1 ? path.replace(/\/$/, '') : path;
  return { page: paths[trimmed] ?? 'not-found', id: '', query };
}

/** The URL of a route with some query values changed; empty values are left out, so that a plain view has a plain URL. */
export function hrefWith(
  path: string,
  query: ReadonlyMap<string, string>,
  changes: Readonly<Record<string, string>> = {},
): string {
  const params = new URLSearchParams();
  for (const [key, value] of new Map([...query, ...Object.entries(changes)])) if (value !== '') params.set(key, value);
  const search = params.toString();
  return search === '' ? path : `${path}?${search}`;
}

export function hostedVmPath(id: string): string {
  return `/vm/${encodeURIComponent(id)}`;
}
