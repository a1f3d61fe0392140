import { signal } from '@preact/signals';
import { secondMs } from '../../domain/time.ts';
import type { EpochMs } from '../../domain/time.ts';

/** Ages are told by the server's clock: a laptop that is minutes off would call everything old. */
let offsetMs = 0;

/** The server's time, moving once a second. Read `.value` only in small components: each is drawn again every second. */
export const now = signal<EpochMs>(Date.now());

setInterval(() => (now.value = Date.now() + offsetMs), secondMs);

/** @param date an HTTP `Date` header; whole seconds, so that small differences mean nothing */
export function learnServerTime(date: string | null): void {
  if (date === null) return;
  const difference = Date.parse(date) - Date.now();
  offsetMs = Math.abs(difference) > 3 * secondMs ? difference : 0;
}
