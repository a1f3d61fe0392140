import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { heldBy } from '../../../src/providers/proxmox/locks.ts';

type Step = {
  readonly name: string;
  readonly response: { readonly status: number; readonly reason: string };
  readonly task?: { readonly exitstatus: string };
};

const { steps } = JSON.parse(readFileSync('test/fixtures/proxmox/transcripts-2.json', 'utf8')) as { steps: Step[] };

/** How the recorded Proxmox ended a call on a guest under the lock `backup`. */
function ended(name: string): string {
  const step = steps.find((one) => one.name === name)!;
  return step.task?.exitstatus ?? `${step.response.status} ${step.response.reason}`;
}

describe('under the lock "backup"', () => {
  test('the table tries what the recorded Proxmox takes, and nothing that it refuses', () => {
    expect(ended('locked running: stop')).toBe('VM is locked (backup)');
    expect(ended('locked running: shutdown with force')).toBe('VM is locked (backup)');
    expect(ended('locked: link down')).toBe('500 VM is locked (backup)');
    expect(ended('locked running: suspend')).toBe('OK');
    expect(ended('locked running: firewall options')).toBe('200 OK');
    expect(heldBy('backup').rungs).toEqual(['pause', 'drop-traffic']);
  });

  test('nothing that a token may send takes the lock away', () => {
    expect(ended('locked: unlock by limited')).toBe("500 only root can set 'lock' config");
    expect(heldBy('backup').mend(101)).toContain('qm unlock 101');
  });
});

test.each(['suspending', 'suspended', 'snapshot', 'snapshot-delete', 'rollback', 'migrate', 'clone', 'create', 'odd'])(
  'under the lock "%s" a guest is not paused: Proxmox exempts backups alone, and whoever works on it would resume it',
  (lock) => {
    const { rungs, by, mend } = heldBy(lock);
    expect(rungs).toEqual(['stop', 'drop-traffic']);
    expect(by).not.toBe('');
    expect(mend(7)).toBe('qm unlock 7 && qm stop 7');
  },
);
