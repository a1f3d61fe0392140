import { resolve } from 'node:path';
import { startSimulator } from '../../../src/sim/simulator.ts';
import type { Simulator, SimulatorOptions } from '../../../src/sim/simulator.ts';

/** The world that the recordings were made on. */
const recordedWorld = resolve(import.meta.dirname, '../../fixtures/proxmox/world');

/** A cluster in virtual time, without guests that listen. */
export function virtualCluster(world: SimulatorOptions['world'] = recordedWorld): Promise<Simulator> {
  return startSimulator({ world, host: '127.0.0.1', port: 0, tls: false, clock: 'virtual', guests: false });
}

export type Answer = {
  status: number;
  reason: string;
  type: string | null;
  data: unknown;
  errors?: Record<string, string>;
};

/** One call as a plain client makes it; rejects when the connection breaks. */
export async function ask(
  sim: Simulator,
  method: string,
  path: string,
  form?: Record<string, string | number>,
  token = sim.tokens.at(-1)!,
): Promise<Answer> {
  const response = await fetch(`${sim.url}/api2/json${path}`, {
    method,
    headers: {
      Authorization: `PVEAPIToken=${token.id}=${token.secret}`,
      ...(form ? { 'Content-Type': 'application/x-www-form-urlencoded' } : {}),
    },
    ...(form
      ? {
          body: new URLSearchParams(
            Object.entries(form).map(([key, value]): [string, string] => [key, String(value)]),
          ).toString(),
        }
      : {}),
  });
  const text = await response.text();
  const body = (text === '' ? {} : JSON.parse(text)) as { data?: unknown; errors?: Record<string, string> };
  return {
    status: response.status,
    reason: response.statusText,
    type: response.headers.get('content-type'),
    data: body.data ?? null,
    ...(body.errors ? { errors: body.errors } : {}),
  };
}

/** Calls, and waits for the task that the call started; resolves to how it ended. */
export async function done(
  sim: Simulator,
  method: string,
  path: string,
  form?: Record<string, string | number>,
): Promise<string> {
  const { status, reason, data } = await ask(sim, method, path, form);
  if (status !== 200) throw new Error(`${method} ${path}: ${status} ${reason}`);
  const task = sim.cluster.tasks.find(String(data));
  if (!task) throw new Error(`${method} ${path} started no task`);
  await task.ended;
  return task.exit ?? '';
}

/** Looks again until it holds, or says what was the case last. */
export async function eventually<Seen>(
  look: () => Seen | Promise<Seen>,
  holds: (seen: Seen) => boolean,
  withinMs = 5000,
): Promise<Seen> {
  const end = Date.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (holds(seen)) return seen;
    if (Date.now() > end) throw new Error(`not within ${withinMs} ms; last seen: ${JSON.stringify(seen)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
