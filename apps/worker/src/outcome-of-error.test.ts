import { errorCatalogue, errorCodes, UnfoldError } from '@unfold/contracts';
import { DeviceLostError, DeviceMemoryError } from '@unfold/rnn';
import { describe, expect, it } from 'vitest';
import { Cancelled, FencedOff, outcomeOfError, toUnfoldError } from './outcome-of-error.ts';

describe('what an error makes of a job', () => {
  it.each(errorCodes)('%s: only what a retry can mend is tried again', (code) => {
    const outcome = outcomeOfError(new UnfoldError(code, 'text', { param: 'file' }));
    // A full disk has been waited for already; `overloaded` and its kin tell a client to come again, and so a job.
    const waitedFor = code === 'storage_full';
    const later = errorCatalogue[code].status === 429;
    const retries = (errorCatalogue[code].retryable && !waitedFor) || later;
    expect(outcome.type).toBe(retries ? 'retry' : 'failed');
    expect(outcome).toMatchObject({ error: { message: 'text', param: 'file' } });
  });

  it('a cancel and a lost claim are no failures', () => {
    expect(outcomeOfError(new Cancelled('asked for'))).toEqual({ type: 'cancelled' });
    expect(outcomeOfError(new FencedOff('attempt 2 owns it'))).toEqual({ type: 'fenced' });
  });

  it.each([
    [Object.assign(new Error('no space'), { code: 'ENOSPC' }), 'storage_full'],
    [Object.assign(new Error('limit'), { code: 'ERR_WORKER_OUT_OF_MEMORY' }), 'worker_lost'],
    [new RangeError('Array buffer allocation failed'), 'out_of_memory'],
    [Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }), 'unavailable'],
    [new DeviceLostError('gone'), 'worker_lost'],
    [new DeviceMemoryError('full'), 'out_of_memory'],
    [new TypeError('x is not a function'), 'internal'],
    ['a thrown string', 'internal'],
    [null, 'internal'],
  ])('%s is %s', (error, code) => {
    expect(toUnfoldError(error).code).toBe(code);
  });

  it('keeps the text of an unexpected error out of what clients read', () => {
    const error = new Error('postgresql://user:secret@host');
    expect(JSON.stringify(outcomeOfError(error))).not.toContain('secret');
    expect(toUnfoldError(error).cause).toBe(error);
  });
});
