import { expect, test } from '@jest/globals';
import { fenceOpen } from '../../../src/domain/fence.ts';

test('an instance that is isolated is said to be so, and to be stopped for good; it is not called failed to fence', () => {
  expect(fenceOpen('shop/0', { kind: 'isolated', fenced: false, proof: 'it is paused' })).toEqual({
    code: 'isolated',
    text: 'shop/0 is isolated and will be stopped for good when it can be: it is paused',
  });
});

test.each([{ kind: 'unreachable' } as const, { kind: 'held' } as const, {}])(
  'whatever else falls short of proof is said to be no proof, also as older versions recorded it: %j',
  (kind) => {
    expect(fenceOpen('shop/0', { ...kind, proof: 'its node is silent' })).toEqual({
      code: 'not-fenced',
      text: 'shop/0 is not proved fenced: its node is silent',
    });
  },
);
