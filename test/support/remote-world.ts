import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ActivityDeps } from '../../src/activities/deps.ts';
import { ProviderError } from '../../src/ports/errors.ts';
import type { FailureClass } from '../../src/ports/errors.ts';
import type { Hypervisor } from '../../src/ports/hypervisor.ts';
import type { NameServer } from '../../src/ports/name-server.ts';
import type { FakeWorld } from './fake-world.ts';

/** One call over the wall between a worker that may be killed and a world that must not. */
type Call = { readonly port: string; readonly method: string; readonly args: readonly unknown[] };
type Answer = {
  readonly value?: unknown;
  readonly failure?: { readonly failureClass: FailureClass; readonly message: string };
};

export type Serving = { readonly url: string; close(): Promise<void> };

/** Serves a world to workers in other processes; `watch` sees every call, and which guest it is about, before and after it takes effect. */
export async function serveWorld(
  world: FakeWorld,
  watch: (call: string, when: 'before' | 'after', vmid: number | undefined) => void,
): Promise<Serving> {
  const deps = world.deps();
  const ports: Record<string, object> = {
    hypervisor: world.hypervisor,
    dns: world.dns,
    registry: deps.registry,
    evaluator: deps.evaluator,
    probes: { probe: deps.probe },
    workflows: { hostedVmOf: deps.hostedVmOf },
  };
  const answer = async ({ port, method, args }: Call): Promise<Answer> => {
    const name = `${port}.${method}`;
    const { vmid } = (args[0] ?? {}) as { vmid?: number };
    watch(name, 'before', vmid);
    const target = ports[port] as Record<string, (...all: unknown[]) => Promise<unknown>>;
    try {
      // The port's trailing arguments (beat, signal) do not cross the wall.
      const value = await target[method]!(...args, () => undefined);
      watch(name, 'after', vmid);
      return { value };
    } catch (error) {
      const failureClass = error instanceof ProviderError ? error.failureClass : 'transient';
      return { failure: { failureClass, message: String(error) } };
    }
  };
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      void answer(JSON.parse(body) as Call).then((result) => response.end(JSON.stringify(result)));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The same ports as seen from the worker's process. */
export function remoteDeps(url: string): ActivityDeps {
  const call = async (port: string, method: string, args: readonly unknown[]): Promise<unknown> => {
    const plain = args.filter((arg) => typeof arg !== 'function' && !(arg instanceof AbortSignal));
    const response = await fetch(url, { method: 'POST', body: JSON.stringify({ port, method, args: plain }) });
    const { value, failure } = (await response.json()) as Answer;
    if (failure === undefined) return value;
    const { failureClass, message } = failure;
    throw new ProviderError({ provider: port, operation: method, target: 'world', failureClass, message });
  };
  const portOf = (port: string): object =>
    new Proxy(
      {},
      {
        get: (_, method) =>
          // A promise that resolves to this must not take it for another promise.
          typeof method === 'string' && method !== 'then'
            ? (...args: unknown[]) => call(port, method, args)
            : undefined,
      },
    );
  const registry = portOf('registry') as ActivityDeps['registry'];
  const { hostedVmOf } = portOf('workflows') as Pick<ActivityDeps, 'hostedVmOf'>;
  const { probe } = portOf('probes') as { probe: ActivityDeps['probe'] };
  return {
    hypervisorOf: () => Promise.resolve(portOf('hypervisor') as Hypervisor),
    nameServerOf: () => Promise.resolve(portOf('dns') as NameServer),
    registry,
    evaluator: portOf('evaluator') as ActivityDeps['evaluator'],
    fleet: portOf('fleet') as ActivityDeps['fleet'],
    probe,
    hostedVmOf,
  };
}
