import { ProxmoxError } from './errors.ts';
import type { Site } from './site.ts';

/** The same methods, whose refusals for want of a right end with the commands that grant it. */
export function explained<T extends object>(mendOf: Site['mendOf'], methods: T): T {
  const wrapped = Object.entries(methods).map(([name, method]) => [name, explaining(mendOf, method as Method)]);
  return Object.fromEntries(wrapped) as T;
}

type Method = (...args: unknown[]) => Promise<unknown>;

function explaining(mendOf: Site['mendOf'], method: Method): Method {
  return async (...args) => {
    try {
      return await method(...args);
    } catch (error) {
      if (!(error instanceof ProxmoxError) || error.lack === undefined) throw error;
      const mend = await mendOf(error.lack);
      throw mend === undefined ? error : error.with(`; grant it with: ${mend}`);
    }
  };
}
