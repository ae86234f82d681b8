// Imported before all else, since what is loaded next makes the heap grow. A worker's JavaScript only carries: its numbers are in the
// engine's memory, and a heap that is collected a little more often is no slower and half the size. Threads that are
// started later are bound by the same flags.
import { setFlagsFromString } from 'node:v8';

setFlagsFromString('--optimize-for-size');
setFlagsFromString('--max-semi-space-size=1');
