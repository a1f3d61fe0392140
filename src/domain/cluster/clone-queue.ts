import type { CloneRequest } from '../cluster-messages.ts';
import type { EpochMs } from '../time.ts';
import { hourMs } from '../time.ts';

/** A clone whose end nobody reported holds its place no longer than this. */
const longestCloneMs = 2 * hourMs;
/** Samples at a level before it is judged, and the gain in throughput that makes one more clone worth it. */
const samplesPerLevel = 3;
const worthwhileGain = 1.1;
/** A level that turned out slower is tried again after so many clones: storages change. */
const retryAfterSamples = 60;
const smoothing = 0.4;

/** Throughput of a storage with so many clones at once. */
type Level = { readonly atOnce: number; readonly samples: number; readonly clonesPerMinute: number };

export type StorageLane = {
  readonly storage: string;
  /** Clones let through at once now: found by measuring, never above the inventory's limit. */
  readonly limit: number;
  readonly levels: readonly Level[];
  readonly sinceSlower: number;
};

export type RunningClone = CloneRequest & {
  readonly since: EpochMs;
  /** How many ran on the storage when it began, itself included. */
  readonly atOnce: number;
  /** How many were let through then. */
  readonly limit: number;
};

export type CloneQueue = {
  readonly waiting: readonly CloneRequest[];
  readonly running: readonly RunningClone[];
  readonly lanes: readonly StorageLane[];
};

export const emptyCloneQueue: CloneQueue = { waiting: [], running: [], lanes: [] };

/** A queue after a message, and who may begin now. */
export type QueueStep = { readonly queue: CloneQueue; readonly turns: readonly CloneRequest[] };

/** Asking again is answered again: whoever runs already is told so once more. */
export function requestClone(now: EpochMs, queue: CloneQueue, request: CloneRequest, ceiling: number): QueueStep {
  const running = queue.running.find((one) => one.requestId === request.requestId);
  if (running !== undefined) return { queue, turns: [running] };
  if (queue.waiting.some((one) => one.requestId === request.requestId)) return { queue, turns: [] };
  return startNext(now, { ...queue, waiting: [...queue.waiting, request] }, ceiling);
}

export function endClone(
  now: EpochMs,
  queue: CloneQueue,
  requestId: string,
  failed: boolean,
  ceiling: number,
): QueueStep {
  const ended = queue.running.find((one) => one.requestId === requestId);
  const without: CloneQueue = {
    ...queue,
    waiting: queue.waiting.filter((one) => one.requestId !== requestId),
    running: queue.running.filter((one) => one.requestId !== requestId),
  };
  if (ended === undefined) return { queue: without, turns: [] };
  const beside = queue.running.filter((one) => one.storage === ended.storage).length;
  return startNext(now, failed ? without : measured(now, without, ended, beside, ceiling), ceiling);
}

/** Everything an instance has in the queue, when its lease ends. */
export function dropInstance(now: EpochMs, queue: CloneQueue, instance: string, ceiling: number): QueueStep {
  const without: CloneQueue = {
    ...queue,
    waiting: queue.waiting.filter((one) => one.instance !== instance),
    running: queue.running.filter((one) => one.instance !== instance),
  };
  return startNext(now, without, ceiling);
}

export function dropOverdue(now: EpochMs, queue: CloneQueue, ceiling: number): QueueStep {
  const running = queue.running.filter((one) => now - one.since < longestCloneMs);
  return running.length === queue.running.length
    ? { queue, turns: [] }
    : startNext(now, { ...queue, running }, ceiling);
}

/** In the order asked, storage by storage. */
function startNext(now: EpochMs, queue: CloneQueue, ceiling: number): QueueStep {
  const running = [...queue.running];
  const waiting: CloneRequest[] = [];
  const turns: CloneRequest[] = [];
  for (const request of queue.waiting) {
    const beside = running.filter((one) => one.storage === request.storage).length;
    const limit = Math.min(ceiling, laneOf(queue, request.storage).limit);
    if (beside < limit) {
      running.push({ ...request, since: now, atOnce: beside + 1, limit });
      turns.push(request);
    } else {
      waiting.push(request);
    }
  }
  return { queue: { ...queue, waiting, running }, turns };
}

function laneOf(queue: CloneQueue, storage: string): StorageLane {
  return queue.lanes.find((lane) => lane.storage === storage) ?? { storage, limit: 1, levels: [], sinceSlower: 0 };
}

/**
 * Climbs as long as one clone more at once brings more clones per minute, and steps back when it does not: on a
 * storage whose lock serialises allocation the second clone only waits (LINBIT/linstor-proxmox#73).
 */
function measured(now: EpochMs, queue: CloneQueue, ended: RunningClone, beside: number, ceiling: number): CloneQueue {
  const lane = laneOf(queue, ended.storage);
  // Only a clone that ran in a full lane from beginning to end says what a full lane brings.
  const full = ended.limit === Math.min(ceiling, lane.limit) && ended.atOnce === ended.limit && beside === ended.limit;
  if (!full) return queue;
  const minutes = Math.max(1, now - ended.since) / 60_000;
  const sample = ended.atOnce / minutes;
  const before = lane.levels.find((level) => level.atOnce === ended.atOnce);
  const level: Level = {
    atOnce: ended.atOnce,
    samples: (before?.samples ?? 0) + 1,
    clonesPerMinute: before === undefined ? sample : before.clonesPerMinute * (1 - smoothing) + sample * smoothing,
  };
  const levels = [...lane.levels.filter((one) => one.atOnce !== ended.atOnce), level].sort(
    (a, b) => a.atOnce - b.atOnce,
  );
  const next = adjusted({ ...lane, levels, sinceSlower: lane.sinceSlower + 1 }, ceiling);
  return { ...queue, lanes: [...queue.lanes.filter((one) => one.storage !== lane.storage), next] };
}

function adjusted(lane: StorageLane, ceiling: number): StorageLane {
  const at = (atOnce: number): Level | undefined => lane.levels.find((one) => one.atOnce === atOnce);
  const here = at(lane.limit);
  if (here === undefined || here.samples < samplesPerLevel) return lane;
  const below = at(lane.limit - 1);
  if (below !== undefined && here.clonesPerMinute < below.clonesPerMinute * worthwhileGain) {
    return { ...lane, limit: lane.limit - 1, sinceSlower: 0 };
  }
  if (lane.limit >= ceiling) return lane;
  const above = at(lane.limit + 1);
  const aboveWasSlower =
    above !== undefined &&
    above.samples >= samplesPerLevel &&
    above.clonesPerMinute < here.clonesPerMinute * worthwhileGain;
  if (aboveWasSlower && lane.sinceSlower < retryAfterSamples) return lane;
  // Judged afresh: what was measured above is old.
  const levels = aboveWasSlower ? lane.levels.filter((one) => one.atOnce <= lane.limit) : lane.levels;
  return { ...lane, levels, limit: lane.limit + 1, sinceSlower: 0 };
}
