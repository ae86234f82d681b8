import type { JobSpec } from '@unfold/contracts';
import { expect } from 'vitest';
import { checkpointsOf, curveOf, type Recorded, record, scratchFolder, tensorsOf } from './runs.ts';

/** The bytes of a run's last checkpoint. */
export const finalOf = (run: Recorded): Uint8Array => checkpointsOf(run).at(-1)!.data;

/**
 * Trains, then goes on from the first checkpoint as if the run had been interrupted there: the same bits and the rest of the same curve, or the test fails.
 * @returns the run that was not interrupted
 */
export const resumedRun = async (spec: JobSpec, data: string): Promise<Recorded> => {
  const scratch = scratchFolder();
  const whole = await record({ spec, data, scratch });
  const [first] = checkpointsOf(whole);
  const rest = await record({ spec, data, scratch, resume: first!.data });
  expect(tensorsOf(finalOf(rest))).toEqual(tensorsOf(finalOf(whole)));
  const later = curveOf(whole).filter((event) => (event as { step: number }).step > first!.step);
  expect(later.length).toBeGreaterThan(0);
  expect(curveOf(rest)).toEqual(later);
  return whole;
};
