import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { httpError, taskError } from '../../../src/providers/proxmox/errors.ts';

type Step = {
  readonly name: string;
  readonly caveat?: string;
  readonly request: { readonly method: string; readonly path: string };
  readonly response: { readonly status: number; readonly reason: string; readonly body: unknown };
  readonly task?: { readonly type: string; readonly exitstatus: string; readonly log: readonly string[] };
};

const recordings = new URL('../../fixtures/proxmox/transcripts.json', import.meta.url);

/** Refusals of the real API that the table need not know better than "will not work like this". */
const plainlyPermanent =
  /not allowed for linked clones|uses local storage|Linked clone feature|only root can set|convert a VM to template|reserved name|already used|shrinking disks|disk 'scsi5' does not exist|pool 'p2' already exists|allow-move|can't start a vm|protection mode|still in use by linked|resource 'vm:999'/;

test('every refusal of the recorded real API is understood', () => {
  const { steps } = JSON.parse(readFileSync(recordings, 'utf8')) as { steps: Step[] };
  const unknown: string[] = [];
  for (const { name, caveat, request, response, task } of steps) {
    if (caveat !== undefined) continue;
    const call = { method: request.method, target: 'cluster', pathTemplate: request.path };
    const refusal =
      response.status >= 400
        ? httpError(call, response)
        : task !== undefined && task.exitstatus !== 'OK'
          ? taskError({ type: task.type, target: 'cluster', exitStatus: task.exitstatus, log: task.log })
          : undefined;
    if (refusal?.failureClass === 'permanent' && !plainlyPermanent.test(refusal.message)) unknown.push(name);
  }
  expect(unknown).toEqual([]);
});
