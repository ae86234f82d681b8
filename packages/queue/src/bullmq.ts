import { createRequire } from 'node:module';

/**
 * BullMQ, loaded as CommonJS: it ships the same code for `import` in some hundred files, for which Node takes twice the
 * processor time, a sixth of what a worker takes to start.
 */
export const bullmq = createRequire(import.meta.url)('bullmq') as typeof import('bullmq');
