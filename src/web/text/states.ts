import { unshadowedByPolicy } from '../../domain/view.ts';
import type { DisplayState, HostedVmView } from '../../domain/view.ts';

/** One colour each; `sign` is read beside it, so that nothing is told by colour alone. */
type Tone = 'calm' | 'warming' | 'shadow' | 'danger' | 'paused' | 'unknown';

type Look = { readonly tone: Tone; readonly sign: string; readonly label: string };

export const looks: Readonly<Record<DisplayState, Look>> = {
  'needs-human': { tone: 'danger', sign: '!', label: 'needs a human' },
  unprotected: { tone: 'danger', sign: '\u25b2', label: 'without protection' },
  'failing-over': { tone: 'shadow', sign: '\u21c4', label: 'failing over' },
  probation: { tone: 'shadow', sign: '\u25d1', label: 'on its shadow' },
  promoting: { tone: 'shadow', sign: '\u25d5', label: 'being promoted' },
  unknown: { tone: 'unknown', sign: '?', label: 'unknown' },
  adopting: { tone: 'warming', sign: '\u2192', label: 'being adopted' },
  warming: { tone: 'warming', sign: '\u25d4', label: 'warming' },
  paused: { tone: 'paused', sign: '\u2016', label: 'paused' },
  protected: { tone: 'calm', sign: '\u25cf', label: 'protected' },
  retired: { tone: 'paused', sign: '\u25cb', label: 'retired' },
};

/** By policy: no reason for red. */
const unshadowed: Look = { tone: 'paused', sign: '\u25b3', label: 'without protection' };

export function lookOf(view: HostedVmView): Look {
  return unshadowedByPolicy(view) ? unshadowed : looks[view.state];
}

/** Place in the fleet table, worst first; who is without a shadow by policy stands among the calm. */
export function rankOf(view: HostedVmView): number {
  return worstFirst.indexOf(unshadowedByPolicy(view) ? 'paused' : view.state);
}

/** Worst first: the order of the fleet table. */
export const worstFirst = Object.keys(looks) as readonly DisplayState[];
