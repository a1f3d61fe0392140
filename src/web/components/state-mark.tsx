import type { DisplayState } from '../../domain/view.ts';
import { looks } from '../text/states.ts';

/** One colour, one sign and the word for it. */
export function StateMark({ state }: { readonly state: DisplayState }) {
  const { tone, sign, label } = looks[state];
  return (
    <span class={`state tone-${tone}`}>
      <span class="sign" aria-hidden="true">
        {sign}
      </span>
      {label}
    </span>
  );
}
