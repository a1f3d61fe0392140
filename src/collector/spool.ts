import { mkdir, open, readdir, readFile, rename, rm, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';

import { bucketMs } from '../domain/demand.ts';
import type { DemandBatch, DemandCount } from '../domain/demand.ts';
import { hourMs, minuteMs } from '../domain/time.ts';
import type { EpochMs } from '../domain/time.ts';
import { condense } from './condense.ts';
import type { CollectorLog } from './log.ts';

/** When the spool is full its oldest batches are put together into these steps before anything is dropped. */
const stepsMs = [minuteMs, 5 * minuteMs, hourMs] as const;

type Spooled = {
  readonly name: string;
  readonly epoch: number;
  readonly seq: number;
  readonly at: EpochMs;
  readonly spanMs: number;
  readonly bytes: number;
};

/** A batch whose counts are made as they are written; they may be read more than once. */
export type LazyBatch = Omit<DemandBatch, 'counts'> & { readonly counts: Iterable<DemandCount> };

/** Counts that are text at one time: 100 KiB. */
const countsPerPiece = 400;

export type SpoolOptions = {
  readonly dir: string;
  readonly edge: string;
  /** Batches that cannot be written to the store yet may take this much disk. */
  readonly maxBytes: number;
  readonly now: EpochMs;
  readonly log: CollectorLog;
};

/**
 * Batches on disk between the collector and the store. A batch has one identity (epoch, seq) from the moment its
 * bucket opens, so whatever is written twice around a crash is recognised by the store:
 *
 *   `E-S-AT-SPAN.open`   what an open bucket held at the last checkpoint; found at a start it becomes a batch
 *   `E-S-AT-SPAN.batch`  a closed bucket, waiting for the store
 *
 * An open file is removed before its batch may be sent, and a batch after the store has it.
 */
export class Spool {
  readonly epoch: number;
  /** An earlier process ended without closing its buckets. */
  crashed = false;
  readonly #options: SpoolOptions;
  #files: Spooled[] = [];
  #bytes = 0;
  #seq = 0;
  /** The newest batch, which a store that keeps up is given without reading its file. */
  #newest: { readonly name: string; readonly batch: LazyBatch } | undefined;
  /** One change of the folder at a time, in the order asked for. */
  #last: Promise<unknown> = Promise.resolve();
  /** Batches put together because the spool was full, and batches given up because even that was not enough. */
  condensed = 0;
  dropped = 0;

  private constructor(options: SpoolOptions, epoch: number) {
    this.#options = options;
    this.epoch = epoch;
  }

  /** Opens the folder and takes up what an earlier process left. @throws Error that names the folder */
  static async open(options: SpoolOptions): Promise<Spool> {
    const { dir } = options;
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const epochFile = join(dir, 'epoch');
    const previous = Number(await readFile(epochFile, 'utf8').catch(() => '0'));
    // The time as a floor: a collector whose folder was lost must not repeat an epoch the store has seen.
    const epoch = Math.max(previous + 1, Math.floor(options.now));
    await replaceFile(epochFile, [String(epoch)], true);
    const spool = new Spool(options, epoch);
    await spool.#takeUp();
    return spool;
  }

  get size(): { readonly files: number; readonly bytes: number; readonly oldestAt: EpochMs | undefined } {
    return { files: this.#files.length, bytes: this.#bytes, oldestAt: this.#files[0]?.at };
  }

  nextSeq(): number {
    this.#seq += 1;
    return this.#seq;
  }

  async #takeUp(): Promise<void> {
    const { dir, log } = this.#options;
    const names = await readdir(dir);
    for (const name of names.filter((one) => one.endsWith('.tmp'))) await rm(join(dir, name), { force: true });
    const batches = new Set(names.filter((name) => name.endsWith('.batch')));
    for (const name of names.filter((one) => one.endsWith('.open'))) {
      const batch = name.replace(/\.open$/, '.batch');
      if (batches.has(batch)) await unlink(join(dir, name));
      else {
        await rename(join(dir, name), join(dir, batch));
        this.crashed = true;
        batches.add(batch);
      }
    }
    for (const name of [...batches].sort()) {
      const found = parseName(name, (await stat(join(dir, name))).size);
      if (found !== undefined) this.#add(found);
    }
    await this.#removeReplaced();
    if (this.#files.length > 0) log('info', `spool: ${this.#files.length} batches left by an earlier collector`);
  }

  /** A crash while batches were put together leaves both the sum and its parts: the sum counts. */
  async #removeReplaced(): Promise<void> {
    for (const file of this.#files.filter(({ spanMs }) => spanMs > bucketMs)) {
      const batch = await this.#read(file);
      for (const name of (batch as { replaces?: string[] } | undefined)?.replaces ?? []) {
        const replaced = this.#files.find((one) => one.name === name && one !== file);
        if (replaced !== undefined) await this.#delete(replaced);
      }
    }
  }

  #add(file: Spooled): void {
    this.#files.push(file);
    this.#bytes += file.bytes;
  }

  async #delete(file: Spooled): Promise<void> {
    await rm(join(this.#options.dir, file.name), { force: true });
    this.#forget(file);
  }

  #forget(file: Spooled): void {
    if (this.#newest?.name === file.name) this.#newest = undefined;
    const index = this.#files.indexOf(file);
    if (index < 0) return;
    this.#files.splice(index, 1);
    this.#bytes -= file.bytes;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** Notes what open buckets hold, so that a kill loses no more than what came since. */
  checkpoint(batches: readonly LazyBatch[]): Promise<void> {
    return this.#inTurn(async () => {
      for (const batch of batches) {
        await replaceFile(join(this.#options.dir, nameOf(batch, 'open')), piecesOf(batch), false);
      }
    });
  }

  /** Keeps a closed bucket until the store has it. */
  put(batch: LazyBatch): Promise<void> {
    return this.#inTurn(async () => {
      const { dir } = this.#options;
      const name = nameOf(batch, 'batch');
      const bytes = await replaceFile(join(dir, name), piecesOf(batch), true);
      await rm(join(dir, nameOf(batch, 'open')), { force: true });
      this.#add(parseName(name, bytes)!);
      this.#newest = { name, batch };
      if (this.#bytes > this.#options.maxBytes) await this.#makeRoom();
    });
  }

  /** The batch to send next. An unreadable file is set aside with its name in the log. */
  async oldest(): Promise<DemandBatch | undefined> {
    for (;;) {
      const file = this.#files[0];
      if (file === undefined) return undefined;
      const batch = await this.#inTurn(() => this.#read(file));
      if (batch !== undefined) return batch;
      await this.#setAside(file, 'unreadable');
    }
  }

  async #read(file: Spooled): Promise<DemandBatch | undefined> {
    if (this.#newest?.name === file.name) {
      const { batch } = this.#newest;
      return { ...batch, counts: [...batch.counts] };
    }
    try {
      return JSON.parse(await readFile(join(this.#options.dir, file.name), 'utf8')) as DemandBatch;
    } catch {
      return undefined;
    }
  }

  /** The store has it. */
  remove(batch: DemandBatch): Promise<void> {
    return this.#inTurn(async () => {
      const file = this.#find(batch);
      if (file !== undefined) await this.#delete(file);
    });
  }

  /** The store will never take it: kept for a human, out of the way of the others. */
  reject(batch: DemandBatch, why: string): Promise<void> {
    const file = this.#find(batch);
    return file === undefined ? Promise.resolve() : this.#inTurn(() => this.#setAside(file, why));
  }

  async #setAside(file: Spooled, why: string): Promise<void> {
    const { dir, log } = this.#options;
    log('error', `spool: batch ${file.name} is set aside: ${why}`);
    await rename(join(dir, file.name), join(dir, file.name.replace(/\.batch$/, '.rejected'))).catch(() => undefined);
    this.#forget(file);
    this.dropped += 1;
  }

  #find({ epoch, seq }: DemandBatch): Spooled | undefined {
    return this.#files.find((file) => file.epoch === epoch && file.seq === seq);
  }

  /**
   * Full: puts the oldest batches together, first into minutes. Never the very oldest: it may have been sent already,
   * and then its numbers must not appear under another identity.
   */
  async #makeRoom(): Promise<void> {
    const { log, maxBytes } = this.#options;
    for (const stepMs of stepsMs) {
      while (this.#bytes > maxBytes) {
        const group = this.#oldestGroup(stepMs);
        if (group === undefined) break;
        await this.#combine(group, stepMs);
      }
    }
    while (this.#bytes > maxBytes && this.#files.length > 1) {
      const file = this.#files[1]!;
      this.dropped += 1;
      log('error', `spool full at ${maxBytes} bytes: demand of ${new Date(file.at).toISOString()} is given up`);
      await this.#delete(file);
    }
  }

  #oldestGroup(stepMs: number): Spooled[] | undefined {
    const groups = new Map<number, Spooled[]>();
    for (const file of this.#files.slice(1)) {
      if (file.spanMs >= stepMs) continue;
      const step = Math.floor(file.at / stepMs);
      const group = groups.get(step);
      if (group === undefined) groups.set(step, [file]);
      else group.push(file);
    }
    return [...groups.entries()].sort(([a], [b]) => a - b).find(([, group]) => group.length > 1)?.[1];
  }

  async #combine(group: Spooled[], stepMs: number): Promise<void> {
    const { dir, log } = this.#options;
    const batches: DemandBatch[] = [];
    for (const file of group) {
      const batch = await this.#read(file);
      if (batch !== undefined) batches.push(batch);
    }
    const first = batches[0];
    if (first === undefined) return;
    const sum = condense(batches, stepMs);
    const name = nameOf(sum, 'batch');
    const text = JSON.stringify({ ...sum, replaces: group.map((file) => file.name) });
    const bytes = await replaceFile(join(dir, name), [text], true);
    const at = this.#files.indexOf(group[0]!);
    for (const file of group) if (file.name !== name) await this.#delete(file);
    this.#files.splice(at, 0, parseName(name, bytes)!);
    this.#bytes += bytes;
    this.condensed += batches.length;
    const when = new Date(sum.buckets[0]!.at).toISOString();
    log('warn', `spool full: ${batches.length} buckets from ${when} are put together into one of ${stepMs / 1_000} s`);
  }
}

function nameOf(batch: LazyBatch, kind: 'open' | 'batch'): string {
  const at = batch.buckets[0]?.at ?? 0;
  const [first] = batch.counts;
  const spanMs = first?.spanMs ?? bucketMs;
  return `${batch.epoch}-${String(batch.seq).padStart(10, '0')}-${at}-${spanMs}.${kind}`;
}

function parseName(name: string, bytes: number): Spooled | undefined {
  const parts = /^(\d+)-(\d+)-(\d+)-(\d+)\.batch$/.exec(name);
  if (parts === null) return undefined;
  const [epoch, seq, at, spanMs] = parts.slice(1).map(Number) as [number, number, number, number];
  return { name, epoch, seq, at, spanMs, bytes };
}

/** The text of a batch. */
function* piecesOf({ counts, ...head }: LazyBatch): Generator<string> {
  yield `${JSON.stringify(head).slice(0, -1)},"counts":[`;
  let piece: DemandCount[] = [];
  let separator = '';
  for (const count of counts) {
    piece.push(count);
    if (piece.length < countsPerPiece) continue;
    yield separator + JSON.stringify(piece).slice(1, -1);
    separator = ',';
    piece = [];
  }
  yield piece.length === 0 ? ']}' : `${separator}${JSON.stringify(piece).slice(1)}}`;
}

/** A reader sees the old content or the new, never a part; `durable` also survives a power cut. @returns bytes written */
async function replaceFile(path: string, pieces: Iterable<string>, durable: boolean): Promise<number> {
  const temporary = `${path}.tmp`;
  const file = await open(temporary, 'w', 0o600);
  let bytes = 0;
  try {
    for (const piece of pieces) {
      await file.writeFile(piece);
      bytes += Buffer.byteLength(piece);
    }
    if (durable) await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  return bytes;
}
