import { describe, expect, test } from '@jest/globals';
import { classify } from '../../../src/providers/proxmox/classify.ts';
import { httpError, taskError } from '../../../src/providers/proxmox/errors.ts';

describe('the table of failures', () => {
  test.each([
    [401, 'Authentication failed!', 'auth'],
    [403, 'Permission check failed (/sdn/zones/localnetwork/vmbr0, SDN.Use)', 'permission'],
    [403, "Permission check failed (pool 'nope' does not exist)", 'invalid'],
    [595, 'Connection refused', 'transient'],
    [596, 'Connection timed out', 'ambiguous'],
    [597, '', 'ambiguous'],
    [599, 'Too many redirections', 'ambiguous'],
    [502, 'Bad Gateway', 'ambiguous'],
    [500, 'unable to create VM 101: config file already exists', 'exists'],
    [500, "resource ID 'vm:302' already defined", 'exists'],
    [500, 'VM is locked (backup)', 'locked'],
    [500, "can't lock file '/var/lock/qemu-server/lock-9000.conf' - got timeout", 'locked'],
    [500, 'checksum mismatch (file change by other user?)', 'locked'],
    [500, 'VM 300 is running - destroy failed', 'locked'],
    [500, "Configuration file 'nodes/pve1/qemu-server/300.conf' does not exist", 'not-found'],
    [500, "unable to find configuration file for VM 999 on node 'pve1'", 'not-found'],
    [500, "no such cluster node 'pve9'", 'invalid'],
    [500, "hostname lookup 'nope' failed - failed to get address info", 'invalid'],
    [500, "storage 'nope' does not exist", 'invalid'],
    [500, 'cluster not ready - no quorum?', 'quorum'],
    [500, 'QEMU guest agent is not running', 'agent-down'],
    [500, 'VM 300 not running', 'already-done'],
    [500, "storage 'tank' is not online", 'capacity'],
    [501, "Method 'PUT /version' not implemented", 'invalid'],
    [500, 'something nobody has seen before', 'permanent'],
  ])('HTTP %i %s is %s', (status, text, expected) => {
    expect(classify({ status, text })).toBe(expected);
  });

  test.each([
    ['VM 300 already running', 'already-done'],
    ["close (rename) atomic file '/etc/pve/nodes/pve1/qemu-server/200.conf' failed: File exists", 'exists'],
    ["clone failed: cfs-lock 'storage-tank' error: got lock request timeout", 'locked'],
    ["Configuration file 'nodes/pve1/qemu-server/999.conf' does not exist", 'not-found'],
    ['unexpected status', 'ambiguous'],
    ['unable to get last line from task log - no such file', 'ambiguous'],
    ['received interrupt', 'ambiguous'],
    ['clone failed: not enough free space (1 < 2)', 'capacity'],
    ["start failed: QEMU: cannot set up guest memory 'pc.ram': Cannot allocate memory", 'capacity'],
    ["you can't start a vm if it's a template", 'permanent'],
  ])('a task that ends with %s is %s, by the same table', (text, expected) => {
    expect(classify({ text })).toBe(expected);
    expect(taskError({ type: 'qmclone', target: 'VM 1', exitStatus: text, log: [] }).failureClass).toBe(expected);
  });

  test('parameter errors count: a VMID that exists and a task that is not there yet are no bugs of ours', () => {
    const text = 'Parameter verification failed.';
    expect(classify({ status: 400, text, errors: { vmid: 'VM 100 already exists' } })).toBe('exists');
    expect(classify({ status: 400, text, errors: { upid: 'no such task' } })).toBe('ambiguous');
    expect(classify({ status: 400, text, errors: { newid: 'property is missing and it is not optional' } })).toBe(
      'invalid',
    );
  });

  test('a read is never ambiguous, and an error tells what was tried on what without secrets', () => {
    const call = { method: 'GET', target: 'VM 300 on pve1', pathTemplate: '/nodes/*/qemu/*/config' };
    const error = httpError(call, {
      status: 596,
      reason: 'Connection timed out',
      body: { message: 'smbios1: uuid=1,serial=c2VjcmV0 and PVEAPIToken=a@b!c=11111111-2222-3333-4444-555555555555\n' },
    });
    expect(error.failureClass).toBe('transient');
    expect(error.message).toContain('proxmox: GET /nodes/*/qemu/*/config VM 300 on pve1: 596 Connection timed out');
    expect(error.message).not.toMatch(/c2VjcmV0|11111111/);
  });
});
