import type { DisplayState } from '../../domain/view.ts';

/** One colour each; `sign` is read beside it, so that nothing is told by colour alone. */
export type Tone = 'calm' | 'warming' | 'shadow' | 'danger' | 'paused' | 'unknown';

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

/** Worst first: the order of the fleet table. */
export const worstFirst = Object.keys(looks) as readonly DisplayState[];
