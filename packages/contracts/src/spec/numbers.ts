import { z } from 'zod';
import { specLimits } from './limits.ts';

/** A count of optimizer steps. */
export const steps = z.int().min(1).max(specLimits.max_steps);
export const fraction = z.number().min(0).max(1);
/** A probability of dropping: 0 is off. */
export const dropRate = fraction.lt(1);
export const learningRate = z.number().gt(0).max(100);
