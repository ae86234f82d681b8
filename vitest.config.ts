import { defineConfig } from 'vitest/config';
import { LeftOutReporter } from './test/support/left-out-reporter.ts';
import { SpreadSequencer } from './test/support/spread-sequencer.ts';

// Where to write the results for a machine to read, if anywhere.
const report = process.env.UNFOLD_TEST_REPORT;

// Workspace packages resolve to what ships (their dist folders): threads and child processes can only load built
// files, and a test should see the same code that they do. Unit tests import their neighbours' sources.
export default defineConfig({
  test: {
    include: ['packages/*/src/**/*.test.ts', 'apps/*/src/**/*.test.ts', 'test/**/*.test.ts'],
    // They end what hangs. A machine with other work takes several times as long for what is sound.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // More than two processors have: files wait as well, for locks to run out, and for processes to start and to end.
    maxWorkers: 3,
    sequence: { sequencer: SpreadSequencer },
    // Files share their three processes: loading the service anew for each would cost a second and a half of it. So a
    // module keeps its state from one file to the next, and hooks belong into functions that a file calls. Tests of contracts
    // enter by its door: zod keeps the names of schemas once a process, and a second copy of them would be in the way.
    isolate: false,
    reporters: [
      'default',
      ...(report ? [['json', { outputFile: report }] satisfies ['json', object]] : []),
      new LeftOutReporter(),
    ],
    globalSetup: ['test/support/run-folders.ts'],
    server: { deps: { external: [/\/dist\//] } },
  },
});
