import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { placeNames, privileges } from '../../../src/providers/proxmox/privileges.ts';
import { manualMarks, rightsManual } from '../../support/rights-manual.ts';

const manual = new URL('../../../docs/proxmox.md', import.meta.url);

test('what docs/proxmox.md grants is what the table says', () => {
  const text = readFileSync(manual, 'utf8');
  const from = text.indexOf(manualMarks.begin);
  const to = text.indexOf(manualMarks.end);
  expect(from).toBeGreaterThan(0);
  expect(to).toBeGreaterThan(from);
  const wanted = `${manualMarks.begin}\n\n${rightsManual()}\n\n`;
  if (process.env['UMBRA_RECORD_MANUAL'] === '1') {
    writeFileSync(manual, text.slice(0, from) + wanted + text.slice(to));
    return;
  }
  expect(text.slice(from, to)).toBe(wanted);
});

test('every place asks for something, and every privilege says once what for', () => {
  for (const place of placeNames) expect(privileges.some(({ at }) => at === place)).toBe(true);
  const named = privileges.map(({ at, name }) => `${at} ${name}`);
  expect(new Set(named).size).toBe(named.length);
  for (const { why } of privileges) expect(why).toMatch(/\w{3}/);
});
