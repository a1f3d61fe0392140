/** Independent kinds of evidence about an instance. */
export type VantageKind = 'probe' | 'heartbeat' | 'proxmox' | 'dns';

type VantageRules = {
  /** Its `failed` is a vote. */
  readonly maySayFailed: boolean;
  /**
   * It asks the service itself: its `healthy` is a vote, shows that a fenced guest has returned, and the silence it finds
   * may be that of a guest with too much to do.
   */
  readonly asksTheService: boolean;
  /** It is the guest's own word: what says that it has too much to do is alive. */
  readonly isTheGuest: boolean;
  /** Its `failed` says why as well: the node is off, or the guest has stopped. */
  readonly explainsFailure: boolean;
  /** It can tell of a guest that is paused, which answers nobody. */
  readonly speaksForPaused: boolean;
};

/** What each kind may say, and what it counts for. A new kind is a row here. */
export const vantageRules: Readonly<Record<VantageKind, VantageRules>> = {
  probe: rules({ asksTheService: true }),
  heartbeat: rules({ isTheGuest: true }),
  proxmox: rules({ explainsFailure: true, speaksForPaused: true }),
  dns: rules({}),
};

function rules(own: Partial<VantageRules>): VantageRules {
  return {
    ...{ maySayFailed: true, asksTheService: false, isTheGuest: false, explainsFailure: false, speaksForPaused: false },
    ...own,
  };
}
