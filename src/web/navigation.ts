import { computed, signal } from '@preact/signals';
import { hrefWith, parseRoute } from './route.ts';

const url = signal(location.pathname + location.search);

/** Where the operator is; the address bar is its only memory. */
export const route = computed(() => parseRoute(url.value));

addEventListener('popstate', () => (url.value = location.pathname + location.search));

/** Goes to another page: focus moves to its heading, so that a screen reader starts there. */
function go(href: string): void {
  history.pushState(null, '', href);
  url.value = href;
  scrollTo(0, 0);
  requestAnimationFrame(() => document.querySelector<HTMLElement>('main h1')?.focus());
}

/** Changes how the same page is seen (range, filter, page) without filling the history with keystrokes. */
export function changeView(changes: Readonly<Record<string, string>>): void {
  const href = hrefWith(location.pathname, route.value.query, changes);
  history.replaceState(null, '', href);
  url.value = href;
}

/** Plain clicks on our own links stay in this page; anything with a modifier is the browser's. */
export function followLinks(event: MouseEvent): void {
  const link = (event.target as Element | null)?.closest('a');
  if (link?.origin !== location.origin || link.target !== '' || link.hasAttribute('download')) return;
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
    return;
  if (link.pathname.startsWith('/api/') || link.hash !== '') return;
  event.preventDefault();
  go(link.pathname + link.search);
}
