import { expect, test } from '@jest/globals';
import { hourMs, minuteMs } from '../../../src/domain/time.ts';
import {
  allModels,
  isLibraryModel,
  modelNamed,
  modelNames,
  refitSteps,
  windowSteps,
} from '../../../src/planning/forecast/models.ts';

test('every registered model is called what it is registered as', () => {
  expect(allModels().map(({ name }) => name)).toEqual(modelNames);
});

test('a model that nobody registered is refused with the names of those that are', () => {
  expect(() => modelNamed('crystal-ball')).toThrow(
    'no model is called "crystal-ball"; there are auto, naive, seasonal-naive-day,',
  );
});

test.each(modelNames)(
  '%s is given at least what it needs, and is fitted at most once a day unless it is a library',
  (name) => {
    for (const stepMs of [5 * minuteMs, hourMs]) {
      expect(windowSteps(name, stepMs)).toBeGreaterThanOrEqual(modelNamed(name).historySteps(stepMs).least);
      if (isLibraryModel(name)) expect(refitSteps(name, stepMs)).toBe(0);
    }
  },
);
