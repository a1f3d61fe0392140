/** The name of a task: where, which process, since when, doing what to what, for whom. */
export type Upid = {
  readonly node: string;
  readonly pid: number;
  /** Start of the process in hundredths of a second since boot. */
  readonly pstart: number;
  /** Seconds since the epoch. */
  readonly starttime: number;
  readonly type: string;
  readonly id: string;
  readonly user: string;
};

const hex = (value: number): string => value.toString(16).toUpperCase().padStart(8, '0');

export const formatUpid = (upid: Upid): string =>
  `UPID:${upid.node}:${hex(upid.pid)}:${hex(upid.pstart)}:${hex(upid.starttime)}:${upid.type}:${upid.id}:${upid.user}:`;

const grammar =
  /^UPID:([a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?):([0-9A-Fa-f]{8}):([0-9A-Fa-f]{8,9}):([0-9A-Fa-f]{8}):([^:\s]+):([^:\s]*):([^:\s]+):$/;

export function parseUpid(text: string): Upid | undefined {
  const [, node, pid, pstart, start, type, id, user] = grammar.exec(text) ?? [];
  if (node === undefined) return undefined;
  return {
    node,
    pid: parseInt(pid!, 16),
    pstart: parseInt(pstart!, 16),
    starttime: parseInt(start!, 16),
    type: type!,
    id: id!,
    user: user!,
  };
}
