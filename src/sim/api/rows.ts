import type { Operation, Permission } from './operation.ts';
import type { Parameters } from './parameters.ts';

/** Short words for rows of the tables: who may call, and how the call travels. */
export const anybody: Permission = { kind: 'anybody' };
export const on = (path: string, ...all: string[]): Permission => ({ kind: 'privileges', path, all });
export const onAny = (path: string, ...any: string[]): Permission => ({ kind: 'privileges', path, any });
export const onGuest = (...all: string[]): Permission => on('/vms/{vmid}', ...all);

type Traits = Partial<Pick<Operation, 'tokenAllowed' | 'only'>> & {
  readonly how?: 'protected' | 'plain' | 'node' | 'protected node';
};

export function row(
  route: string,
  permission: Operation['permission'],
  parameters: Parameters = {},
  { how = 'plain', tokenAllowed = true, only }: Traits = {},
): Operation {
  const [method, path] = route.split(' ') as [Operation['method'], string];
  return {
    method,
    path,
    parameters,
    permission,
    isProtected: how.startsWith('protected'),
    onNode: how.endsWith('node'),
    tokenAllowed,
    ...(only ? { only } : {}),
  };
}

export const atNode: Traits = { how: 'node' };
export const byDaemon: Traits = { how: 'protected' };
export const byDaemonAtNode: Traits = { how: 'protected node' };
export const of9: Traits = { only: ['9.1', '9.2'] };
