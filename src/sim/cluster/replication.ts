import { failed } from '../api/refusal.ts';
import type { World, WorldGuest } from '../world/world.ts';
import { isShared } from '../world/world.ts';
import { nextRun } from './calendar.ts';
import { drivesOf, isCdrom } from './drive.ts';
import { parseVolume } from './volumes.ts';
import type { Volumes } from './volumes.ts';

/** What is known of the runs of a job; instants in seconds. */
type JobState = { lastSync: number; lastTry: number; duration: number; log: readonly string[] };

const seconds = (ms: number): number => Math.floor(ms / 1000);

/** How often the scheduler of a node looks for jobs that are due. */
export const schedulerPeriodMs = 60_000;
/** When nobody says, and for calendars the simulator does not read. */
const usualSchedule = '*/15';

/** The scheduler of replication: it keeps the books of runs and takes away the jobs that are marked for it. No data moves. */
export class Replication {
  readonly #world: World;
  readonly #states = new Map<string, JobState>();
  readonly #wanted = new Set<string>();

  constructor(world: World) {
    this.#world = world;
  }

  stateOf(id: string): JobState {
    return this.#states.get(id) ?? { lastSync: 0, lastTry: 0, duration: 0, log: [] };
  }

  /** When a job runs next: at once when somebody asked for it, else with its period. */
  nextSync(id: string): number {
    if (this.#wanted.has(id)) return 0;
    const { lastTry } = this.stateOf(id);
    if (lastTry === 0) return 0;
    const schedule = this.#world.replicationJobs.get(id)?.['schedule'] ?? usualSchedule;
    return nextRun(schedule, lastTry) ?? nextRun(usualSchedule, lastTry)!;
  }

  runSoon(id: string): void {
    this.#wanted.add(id);
  }

  /** One look of the schedulers of all nodes that are up. */
  run(nowMs: number): void {
    for (const [id, job] of [...this.#world.replicationJobs]) {
      const guest = this.#world.guests.get(Number(id.split('-')[0]));
      const isUp = guest !== undefined && this.#world.nodes.get(guest.node)?.on === true;
      if (job['remove_job'] !== undefined && (isUp || guest === undefined)) this.#forget(id);
      else if (isUp && job['disable'] !== '1' && this.nextSync(id) <= seconds(nowMs)) this.#replicate(id, guest, nowMs);
    }
  }

  #forget(id: string): void {
    this.#world.replicationJobs.delete(id);
    this.#states.delete(id);
    this.#wanted.delete(id);
  }

  #replicate(id: string, guest: WorldGuest, nowMs: number): void {
    this.#wanted.delete(id);
    const now = seconds(nowMs);
    const said = new Date(nowMs).toISOString().slice(0, 19).replace('T', ' ');
    const running = guest.running ? '1' : '0';
    const log = ['start replication job', `guest => VM ${guest.vmid}, running => ${running}`, 'end replication job'];
    this.#states.set(id, {
      lastSync: now,
      lastTry: now,
      duration: 1,
      log: log.map((line) => `${said} ${id}: ${line}`),
    });
  }
}

/** The volumes a job would copy, or why there are none: only ZFS sends what has changed. */
export function requireReplicatable(volumes: Volumes, guest: WorldGuest): void {
  let found = 0;
  for (const drive of drivesOf(guest.config.current)) {
    if (isCdrom(drive) || drive.options['replicate'] === '0') continue;
    const name = parseVolume(drive.file);
    if (!name) continue;
    const storage = volumes.storage(name.storage);
    if (isShared(storage) || name.owner !== guest.vmid) continue;
    if (storage.type !== 'zfspool') throw failed(`missing replicate feature on volume '${drive.file}'`);
    found += 1;
  }
  if (found === 0) throw failed('No replicatable volumes found');
}
