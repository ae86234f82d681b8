// vitest whose workers are another program than its own Node: UNFOLD_TEST_WORKER names it. A child is forked with process.execPath.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

process.execPath = process.env.UNFOLD_TEST_WORKER;
const vitest = dirname(createRequire(import.meta.url).resolve('vitest/package.json'));
await import(pathToFileURL(join(vitest, 'vitest.mjs')).href);
