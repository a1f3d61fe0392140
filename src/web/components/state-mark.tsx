import type { HostedVmView } from '../../domain/view.ts';
import { lookOf } from '../text/states.ts';

/** One colour, one sign and the word for it. */
export function StateMark({ view }: { readonly view: HostedVmView }) {
  const { tone, sign, label } = lookOf(view);
  return (
    <span class={`state tone-${tone}`}>
      <span class="sign" aria-hidden="true">
        {sign}
      </span>
      {label}
    </span>
  );
}
