/** Where the state of a hosted VM lives. The inventory must name it: there is no default. */
export const storageClasses = ['stateless', 'replicated', 'shared', 'appReplicated', 'pinned'] as const;
export type StorageClass = (typeof storageClasses)[number];

/** When what served is fenced: beside the change of the answers, or before anything else. */
export type FenceOrder = 'beside' | 'first';

type StorageClassRules = {
  /** This version acts on it; `apply` refuses the others by name. */
  readonly built: boolean;
  /** A quorum of vantage points is enough to move it. */
  readonly movesByItself: boolean;
  /** Copies are kept that could take over. */
  readonly hasShadows: boolean;
  readonly fenceOrder: FenceOrder;
  /** Two may run at once and harm nothing. */
  readonly severalMayRun: boolean;
  /** For whoever writes the inventory. */
  readonly means: string;
  /** What a move costs in data, for whoever is about to ask for one. */
  readonly dataWords: string;
};

/** Every rule that depends on the class. A new class is a row here. */
export const storageClassRules: Readonly<Record<StorageClass, StorageClassRules>> = {
  stateless: {
    ...{ built: true, movesByItself: true, hasShadows: true, fenceOrder: 'beside', severalMayRun: true },
    means: 'any copy may serve, even two at once',
    dataWords: 'Stateless: a shadow is a clone, there is no data to lose.',
  },
  replicated: {
    ...{ built: false, movesByItself: false, hasShadows: true, fenceOrder: 'first', severalMayRun: false },
    means: 'a replica or a backup of the disk, as old as its last copy',
    dataWords: 'replicated: what the shadow holds may be older than what the primary held.',
  },
  shared: {
    ...{ built: false, movesByItself: false, hasShadows: true, fenceOrder: 'first', severalMayRun: false },
    means: 'the same volume, which only one may write',
    dataWords: 'shared: the volume is the same; it is lost if two write to it.',
  },
  appReplicated: {
    ...{ built: false, movesByItself: false, hasShadows: true, fenceOrder: 'first', severalMayRun: false },
    means: 'the guests replicate among themselves',
    dataWords: 'appReplicated: what the replica holds may be older than what the primary held.',
  },
  pinned: {
    ...{ built: true, movesByItself: false, hasShadows: false, fenceOrder: 'first', severalMayRun: false },
    means: 'only watched, a human decides',
    dataWords: 'pinned: its disk is the only one, and nothing moves it.',
  },
};

export const builtStorageClasses: readonly StorageClass[] = storageClasses.filter(
  (name) => storageClassRules[name].built,
);
