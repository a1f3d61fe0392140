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

const recordings = ['transcripts', 'transcripts-2'].map(
  (name) => new URL(`../../fixtures/proxmox/${name}.json`, import.meta.url),
);

/** Refusals of the real API that the table need not know better than "will not work like this". */
const plainlyPermanent = [
  /not allowed for linked clones|uses local storage|Linked clone feature|only root can set|convert a VM to template/,
  /reserved name|already used|shrinking disks|disk 'scsi5' does not exist|pool 'p2' already exists|allow-move/,
  /can't start a vm|protection mode|still in use by linked|resource 'vm:999'|used in HA resources/,
  /no such (?:token|(?:replication )?job|ha rule)|(?:role|Target) '\w+' does not exist|no rule at position|no format/,
  /you can't move|contains snapshots|snapshot feature is not available|could not find target VM/,
  /content type needs to be|migrated to rules|cannot use unmanaged/,
];

test('every refusal of the recorded real API is understood', () => {
  const steps = recordings.flatMap((file) => (JSON.parse(readFileSync(file, 'utf8')) as { steps: Step[] }).steps);
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
    if (refusal?.failureClass === 'permanent' && !plainlyPermanent.some((known) => known.test(refusal.message)))
      unknown.push(name);
  }
  expect(unknown).toEqual([]);
});
