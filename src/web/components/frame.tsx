import type { ComponentChildren } from 'preact';
import { liveness } from '../api/live.ts';
import { route } from '../navigation.ts';
import type { PageName } from '../route.ts';

const pages: readonly { readonly page: PageName; readonly href: string; readonly label: string }[] = [
  { page: 'fleet', href: '/', label: 'Fleet' },
  { page: 'capacity', href: '/capacity', label: 'Capacity' },
  { page: 'foresight', href: '/foresight', label: 'Foresight' },
  { page: 'edges', href: '/edges', label: 'Edges' },
  { page: 'events', href: '/events', label: 'Events' },
];

/** What surrounds every page: the way in for the keyboard, the navigation and the live mark. */
export function Frame({ children }: { readonly children: ComponentChildren }) {
  const here = route.value.page === 'hosted-vm' ? 'fleet' : route.value.page;
  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <header>
        <span class="brand">Umbra</span>
        <nav aria-label="Pages">
          <ul>
            {pages.map(({ page, href, label }) => (
              <li key={page}>
                <a href={href} {...(page === here ? { 'aria-current': 'page' } : {})}>
                  {label}
                </a>
              </li>
            ))}
          </ul>
        </nav>
        <LiveMark />
      </header>
      <main id="main">{children}</main>
    </>
  );
}

function LiveMark() {
  const words = { connecting: 'connecting', live: 'live', reconnecting: 'reconnecting' }[liveness.value];
  return (
    <span class={`live live-${liveness.value}`} role="status">
      <span class="sign" aria-hidden="true">
        {liveness.value === 'live' ? '\u25cf' : '\u25cc'}
      </span>
      {words}
    </span>
  );
}
