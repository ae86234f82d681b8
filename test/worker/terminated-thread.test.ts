import { expect, test } from 'vitest';
import { nativeEngines } from '../support/native-engines.ts';
import { startProgram } from '../support/process.ts';

// Cancelling a job ends its thread wherever it is.
test.skipIf(nativeEngines().length === 0)(
  'a thread that is ended within a call of the native engine takes no other with it',
  { timeout: 240_000 },
  async () => {
    const { UNFOLD_TEST_NATIVE_ADDON: addon } = process.env;
    const program = startProgram('test/worker/terminate-threads.mjs', {
      env: addon === undefined ? {} : { UNFOLD_TEST_NATIVE_ADDON: addon },
    });
    expect(await program.ended, program.output()).toBe(0);
    expect(program.output()).toContain('60 threads were ended.');
  },
);
