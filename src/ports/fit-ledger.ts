import type { EpochMs } from '../domain/time.ts';

/** Whose turn it is to be fitted. Several workers ask; each hosted VM is given to one of them. */
export interface FitLedger {
  /**
   * Takes up to `limit` of these hosted VMs whose fit is due, those never fitted first. A claim ends at `until` by
   * itself: what a killed worker had taken is given to another one then.
   */
  claim(
    hostedVmIds: readonly string[],
    by: { readonly holder: string; readonly now: EpochMs; readonly until: EpochMs; readonly limit: number },
  ): Promise<string[]>;
  /** Ends a claim and says when the next fit is due. Ignored when the claim has been given to another holder. */
  settle(
    hostedVmId: string,
    outcome: { readonly holder: string; readonly dueAt: EpochMs; readonly unfit?: string },
  ): Promise<void>;
  /** The next fit is due now. */
  hasten(hostedVmId: string, now: EpochMs): Promise<void>;
  /** Why hosted VMs have no fitted model, by id. */
  unfit(): Promise<Map<string, string>>;
}
