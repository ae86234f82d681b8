import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

function numbersIn(path: string): number[] {
  try {
    return readFileSync(path, 'utf8').trim().split(/\s+/).map(Number);
  } catch {
    return [];
  }
}

/** Processors' worth of time that the control group of this process may use; infinite where nothing limits it. */
function quota(controlGroups: string): number {
  const [limit = Number.NaN, period = Number.NaN] = numbersIn(join(controlGroups, 'cpu.max'));
  // Version 1 has a file for each, and −1 for no limit.
  const [old = -1] = numbersIn(join(controlGroups, 'cpu', 'cpu.cfs_quota_us'));
  const [oldPeriod = Number.NaN] = numbersIn(join(controlGroups, 'cpu', 'cpu.cfs_period_us'));
  return [limit / period, old / oldPeriod].find((share) => share > 0) ?? Number.POSITIVE_INFINITY;
}

/**
 * How many threads can compute at once here: the processors that this process may run on, or fewer where its container is given fewer.
 * Node's own `availableParallelism` knows nothing of a container's quota before Node 22, and threads beyond it are only throttled.
 */
export function availableProcessors(controlGroups = '/sys/fs/cgroup'): number {
  return Math.max(1, Math.min(availableParallelism(), Math.ceil(quota(controlGroups))));
}
