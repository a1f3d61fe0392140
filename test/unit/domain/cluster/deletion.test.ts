import { describe, expect, test } from '@jest/globals';
import type { DeletionEvidence } from '../../../../src/domain/cluster/deletion.ts';
import { refuseDeletion } from '../../../../src/domain/cluster/deletion.ts';
import { dayMs } from '../../../../src/domain/time.ts';
import { noon } from './bookkeeping.ts';

const fine: DeletionEvidence = {
  now: noon,
  instance: 'shop/2',
  vmid: 9002,
  range: { from: 9001, to: 9010 },
  adopted: false,
  marker: { hostedVmId: 'shop', n: 2, role: 'retired', retiredAt: noon - 8 * dayMs },
  address: '10.0.0.12',
  answers: ['10.0.0.13'],
  serving: ['shop/3'],
  primary: { instance: 'shop/3', healthy: true },
  served: true,
  keepDiskMs: 7 * dayMs,
};

describe('the five guards of deletion', () => {
  test('let a retired, replaced and long enough kept guest go', () => {
    expect(refuseDeletion(fine)).toBeUndefined();
  });

  test.each<[string, Partial<DeletionEvidence>, string]>([
    ['a VMID that is not ours', { vmid: 105 }, 'not-ours'],
    [
      'a guest whose marker cannot be read',
      { marker: { hostedVmId: 'mail', n: 2, role: 'retired', retiredAt: 1 } },
      'other-marker',
    ],
    ['a guest marked as shadow', { marker: { hostedVmId: 'shop', n: 2, role: 'shadow' } }, 'not-retired'],
    ['a guest marked retired without a date', { marker: { hostedVmId: 'shop', n: 2, role: 'retired' } }, 'not-retired'],
    ['a guest somebody is still sent to', { answers: ['10.0.0.12'] }, 'in-answers'],
    ['answers that could not be read back', { answers: null }, 'answers-unknown'],
    ['a serving instance', { serving: ['shop/2'] }, 'serving'],
    ['the primary', { primary: { instance: 'shop/2', healthy: true } }, 'is-primary'],
    ['a guest whose successor is not well', { primary: { instance: 'shop/3', healthy: false } }, 'primary-unhealthy'],
    ['a hosted VM without a primary', { primary: null }, 'no-primary'],
    ['a disk that is to be kept', { keepDiskMs: 9 * dayMs }, 'disk-kept'],
  ])('keep %s', (_what, change, code) => {
    expect(refuseDeletion({ ...fine, ...change })).toMatchObject({ kind: 'refused', reason: { code } });
  });

  test('keep a guest without a marker', () => {
    const unmarked: DeletionEvidence = { ...fine };
    Reflect.deleteProperty(unmarked, 'marker');
    expect(refuseDeletion(unmarked)).toMatchObject({ reason: { code: 'no-marker' } });
  });

  test('let one that never served go at once, whatever becomes of the primary, but not while it is in an answer', () => {
    const spare: DeletionEvidence = { ...fine, served: false, keepDiskMs: 9 * dayMs };
    expect(refuseDeletion({ ...spare, primary: null })).toBeUndefined();
    expect(refuseDeletion({ ...spare, primary: { instance: 'shop/0', healthy: false } })).toBeUndefined();
    expect(refuseDeletion({ ...spare, answers: ['10.0.0.12'] })).toMatchObject({ reason: { code: 'in-answers' } });
    expect(refuseDeletion({ ...spare, serving: ['shop/2'] })).toMatchObject({ reason: { code: 'serving' } });
  });

  test('leave the VMID to who knows the range', () => {
    const elsewhere: DeletionEvidence = { ...fine, vmid: 105 };
    Reflect.deleteProperty(elsewhere, 'range');
    expect(refuseDeletion(elsewhere)).toBeUndefined();
  });

  test('let an adopted original go though its VMID is outside the range', () => {
    expect(refuseDeletion({ ...fine, vmid: 105, adopted: true })).toBeUndefined();
  });
});
