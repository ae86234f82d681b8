export { type ApiOptions, buildApi } from './app.ts';
export type { Timings } from './context.ts';
export { createLog } from './log.ts';
