import { startLoop } from '../background/loop.ts';
import { createSocket } from 'node:dgram';
import { encodeMessage, decodeMessage, queryMessage } from '../providers/dns/message.ts';
import { MalformedMessage } from '../providers/dns/name.ts';
import { addressOf, recordType } from '../providers/dns/record.ts';
import { messageId } from '../providers/dns/transport.ts';
import { levelAt, shapes } from './shapes.ts';
import type { ShapeName } from './shapes.ts';
import type { ServerAddress } from '../providers/dns/transport.ts';

export type LoadedVm = {
  readonly id: string;
  /** A first label `*` is replaced by another word in every question. */
  readonly name: string;
  readonly capacityQps: number;
  /** By default the shapes are dealt out in turn. */
  readonly shape?: ShapeName;
};

export type LoadOptions = {
  readonly server: ServerAddress;
  readonly vms: readonly LoadedVm[];
  readonly now: () => number;
  /** Once a second for every VM: questions per second now. */
  readonly onRate?: (id: string, qps: number) => void;
  /** Once a second for every address that was answered lately, 0 when it no longer is: the load its guest has now. */
  readonly onAnswer?: (address: string, qps: number) => void;
  /** Over all VMs together, flash crowds included; 400 by default. */
  readonly maxQps?: number;
  /** A day of the shapes passes in this time; 10 minutes by default. */
  readonly dayMs?: number;
  /** The weekly high of a shape as a share of the VM's capacity; 0.6 by default. */
  readonly peakShare?: number;
  readonly random?: () => number;
  /** A server elsewhere cannot answer loopback's addresses: then all questions come from ours. */
  readonly fromOneAddress?: boolean;
};

export type RunningLoad = {
  /** Multiplies the demand on one VM for a while, after a rise of three seconds. */
  flashCrowd(id: string, factor: number, forMs: number): void;
  counts(): { readonly asked: number; readonly answered: number; readonly lost: number };
  stop(): Promise<void>;
};

const tickMs = 50;
const reportMs = 1_000;
/** Answers of this long count towards the load of an address: short enough to follow a failover, long enough to be calm. */
const windowMs = 2_000;
const crowdRiseMs = 3_000;
const answerWithinMs = 2_000;
const maxInFlight = 1_000;
/** Monday 00:00 is dull: the demonstration begins on a Tuesday morning. */
const firstDay = 1.3;

/**
 * Each question comes from another resolver, in the order of a fixed walk through 4,096 networks: like one that caches,
 * a resolver comes back only after all others, which at 400 q/s is 10 s.
 */
const networks = 4_096;

export function sourceAddress(question: number): string {
  const walk = (question * 1_597) % networks;
  return `127.${20 + (walk >> 8)}.${walk & 0xff}.${1 + (question % 7)}`;
}

/** What a VM's demand would be without crowds and bounds, in questions per second. */
export function demandAt(
  vm: LoadedVm,
  index: number,
  elapsedMs: number,
  options: Pick<LoadOptions, 'dayMs' | 'peakShare'>,
): number {
  const names = Object.keys(shapes) as ShapeName[];
  const shape = vm.shape ?? names[index % names.length] ?? 'shop';
  const days = firstDay + elapsedMs / (options.dayMs ?? 600_000);
  return vm.capacityQps * (options.peakShare ?? 0.6) * levelAt(shape, days);
}

type Crowd = { readonly factor: number; readonly from: number; readonly until: number };

function crowdFactor(crowd: Crowd | undefined, now: number): number {
  if (crowd === undefined || now > crowd.until) return 1;
  return 1 + (crowd.factor - 1) * Math.min(1, (now - crowd.from) / crowdRiseMs);
}

/** Calm demand is served first, crowds share what is left: a crowd at one VM must not look like a lull at the others. */
export function bounded(wanted: readonly { calm: number; crowd: number }[], maxQps: number): number[] {
  const calm = wanted.reduce((sum, each) => sum + each.calm, 0);
  const crowd = wanted.reduce((sum, each) => sum + each.crowd, 0);
  const calmShare = calm > maxQps ? maxQps / calm : 1;
  const left = Math.max(0, maxQps - calm);
  const crowdShare = crowd > left ? left / crowd : 1;
  return wanted.map((each) => each.calm * calmShare + each.crowd * crowdShare);
}

/** Knuth's method; means are small because ticks are short. */
function poisson(mean: number, random: () => number): number {
  const limit = Math.exp(-mean);
  let count = 0;
  for (let product = random(); product > limit; product *= random()) count += 1;
  return count;
}

/** Sends real questions to the name server, following the days of real demand, until it is stopped. */
export function startLoad(options: LoadOptions): RunningLoad {
  const { vms, now } = options;
  const random = options.random ?? Math.random;
  const startedAt = now();
  const crowds = new Map<string, Crowd>();
  const counts = { asked: 0, answered: 0, lost: 0 };
  const inFlight = new Set<() => void>();
  const answered = new Map<string, number[]>();
  /** Only Linux has all of 127/8; elsewhere everybody is 127.0.0.1. */
  const sources: { many: boolean } = { many: options.fromOneAddress !== true };
  let rates = vms.map(() => 0);
  let question = 0;
  let lastTick = startedAt;

  function tick(): void {
    const at = now();
    // After a stall (a laptop asleep) we do not send everything that was missed.
    const seconds = Math.min(at - lastTick, 4 * tickMs) / 1_000;
    lastTick = at;
    const wanted = vms.map((vm, i) => {
      const calm = demandAt(vm, i, at - startedAt, options);
      return { calm, crowd: calm * (crowdFactor(crowds.get(vm.id), at) - 1) };
    });
    rates = bounded(wanted, options.maxQps ?? 400);
    vms.forEach((vm, i) => {
      for (let left = poisson((rates[i] ?? 0) * Math.max(0, seconds), random); left > 0; left -= 1) ask(vm);
    });
  }

  function ask(vm: LoadedVm): void {
    if (inFlight.size >= maxInFlight) {
      counts.lost += 1;
      return;
    }
    const name = vm.name.startsWith('*.') ? `w${Math.floor(random() * 50)}${vm.name.slice(1)}` : vm.name;
    const id = messageId();
    const socket = createSocket('udp4');
    counts.asked += 1;
    question += 1;
    const done = (): void => {
      if (!inFlight.delete(done)) return;
      clearTimeout(timer);
      socket.close();
    };
    const timer = setTimeout(() => {
      counts.lost += 1;
      done();
    }, answerWithinMs);
    inFlight.add(done);
    socket.on('message', (bytes) => {
      hear(bytes, id);
      done();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRNOTAVAIL') sources.many = false;
      counts.lost += 1;
      done();
    });
    const send = (): void => {
      if (inFlight.has(done)) {
        socket.send(encodeMessage(queryMessage(id, name, recordType.A)), options.server.port, options.server.host);
      }
    };
    if (sources.many) socket.bind({ address: sourceAddress(question), port: 0 }, send);
    else send();
  }

  function hear(bytes: Buffer, id: number): void {
    try {
      const reply = decodeMessage(bytes);
      const addresses = reply.answers.filter((record) => record.type === recordType.A).map(addressOf);
      if (reply.id !== id || addresses.length === 0) {
        counts.lost += 1;
        return;
      }
      counts.answered += 1;
      // A client takes one of several addresses; which one is chance, whatever the order in the answer.
      const chosen = addresses[Math.floor(random() * addresses.length)] ?? addresses[0]!;
      const times = answered.get(chosen) ?? [];
      times.push(now());
      answered.set(chosen, times);
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error;
      counts.lost += 1;
    }
  }

  function report(): void {
    vms.forEach((vm, i) => options.onRate?.(vm.id, rates[i] ?? 0));
    const oldest = now() - windowMs;
    for (const [address, times] of answered) {
      const recent = times.filter((at) => at > oldest);
      const since = Math.min(windowMs, Math.max(reportMs, now() - startedAt));
      options.onAnswer?.(address, (recent.length * 1_000) / since);
      if (recent.length === 0) answered.delete(address);
      else answered.set(address, recent);
    }
  }

  const failed = (error: unknown): never => {
    throw error;
  };
  const loops = [
    startLoop({ everyMs: tickMs, firstAfterMs: tickMs, round: tick, failed }),
    startLoop({ everyMs: reportMs, firstAfterMs: reportMs, round: report, failed }),
  ];

  return {
    flashCrowd(id, factor, forMs) {
      if (!vms.some((vm) => vm.id === id)) throw new RangeError(`no hosted VM ${id} is under load`);
      if (!(factor > 0) || !(forMs > 0)) throw new RangeError('a flash crowd needs a factor and a duration above 0');
      crowds.set(id, { factor, from: now(), until: now() + forMs });
    },
    counts: () => ({ ...counts }),
    async stop() {
      await Promise.all(loops.map((loop) => loop.stop()));
      inFlight.forEach((done) => done());
    },
  };
}
