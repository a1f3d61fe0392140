import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Addresses } from '../api/options.ts';

/** What a running `umbra dev` leaves for the command line to find it by. */
export type InstanceFile = {
  readonly pid: number;
  readonly startedAt: number;
  readonly addresses: Addresses;
  /** Control address of the simulator: takes faults. */
  readonly simControl?: string;
};

export type FoundInstance =
  | { readonly kind: 'running'; readonly instance: InstanceFile }
  | { readonly kind: 'none' }
  /** The process that wrote it is gone: it was killed, or the machine was. */
  | { readonly kind: 'stale'; readonly pid: number };

export function readInstanceFile(file: string): FoundInstance {
  let instance: InstanceFile;
  try {
    instance = JSON.parse(readFileSync(file, 'utf8')) as InstanceFile;
  } catch {
    return { kind: 'none' };
  }
  return isAlive(instance.pid) ? { kind: 'running', instance } : { kind: 'stale', pid: instance.pid };
}

/** Only its owner may read it; it appears whole or not at all. */
export function writeInstanceFile(file: string, instance: InstanceFile): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const unfinished = `${file}.${process.pid}`;
  writeFileSync(unfinished, `${JSON.stringify(instance, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(unfinished, file);
}

/** Removes it if it is still ours: a newer instance may have written its own. */
export function removeInstanceFile(file: string): void {
  const found = readInstanceFile(file);
  if (found.kind === 'running' && found.instance.pid === process.pid) rmSync(file, { force: true });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's process is a living one.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
