import type { Frame } from '@unfold/contracts';
import { expect, it } from 'vitest';
import { gapsOf, idleBefore } from './training-time.ts';

const second = (at: string) => Date.parse('2026-11-23T12:00:00.000Z') + 1000 * Number(at);
const told = (at: string, status: string) =>
  ({ type: 'status', status, at: new Date(second(at)).toISOString() }) as Frame & { type: 'status' };

it('takes the time between attempts for idle, however often the status changed in it, and no other', () => {
  const gaps = gapsOf([
    told('0', 'queued'),
    told('10', 'running'),
    told('20', 'paused'),
    told('25', 'queued'),
    told('50', 'running'),
    told('60', 'failed'),
  ]);
  expect(gaps).toEqual([{ from: second('20'), to: second('50') }]);
  const idle = ['15', '20', '30', '50', '99'].map((at) => idleBefore(gaps, second(at)) / 1000);
  expect(idle).toEqual([0, 0, 10, 30, 30]);
});
