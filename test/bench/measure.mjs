// Clocks, medians, and what the machine can do at best, measured in the run that is judged by it.
import { readFileSync } from 'node:fs';
import { arch, cpus, release, totalmem, type } from 'node:os';
import { createBackend, createNative } from '@unfold/kernels';

/** The engine that the options ask for. An unavailable one ends the process with its remedy. */
export async function openBackend({
  engine,
  threads,
  precision,
  'instruction-set': instructionSet,
  ...ofGpu
}) {
  const settings = { ...ofGpu, instructionSet, precision, ...(threads && { threads }) };
  try {
    return engine === 'native' ? createNative(settings) : await createBackend(engine, settings);
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
}

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

/** Calls `work` for about `seconds`, at least `least` times: seconds per call, all of them. */
export async function time(work, seconds, least = 5) {
  const times = [];
  const end = performance.now() + 1000 * seconds;
  while (performance.now() < end || times.length < least) {
    const start = performance.now();
    await work();
    times.push((performance.now() - start) / 1000);
  }
  return times;
}

/** Operations per second of a loop of multiply-adds on registers alone, the best of some runs; null where the engine has no such loop. */
export function measureCeiling(backend) {
  if (!backend.measureCeiling) return null;
  return 2 * Math.max(...Array.from({ length: 7 }, () => backend.measureCeiling()));
}

/**
 * Bytes per second at which one core reads a buffer of `bytes` again and again, from whichever cache or memory holds that much, the best of
 * some runs; null where the engine has no such loop.
 */
export function measureReading(backend, bytes) {
  if (!backend.measureReading) return null;
  return Math.max(...Array.from({ length: 15 }, () => backend.measureReading(bytes)));
}

/** The most memory that this process ever held. */
export function peakMemoryBytes() {
  try {
    return 1024 * Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
  } catch {
    return 1024 * process.resourceUsage().maxRSS;
  }
}

export function describeMachine() {
  const processors = cpus();
  return {
    processor: processors[0]?.model.trim() ?? 'unknown',
    processors: processors.length,
    memory_bytes: totalmem(),
    system: `${type()} ${release()} ${arch()}`,
    node: process.versions.node,
  };
}

const thousands = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
export const format = {
  whole: (value) => thousands.format(value),
  giga: (value) => (value / 1e9).toFixed(1),
  share: (value) => (value === null ? '–' : `${(100 * value).toFixed(0)} %`),
  ratio: (value) => `${value.toFixed(2)} ×`,
  machine: ({ processor, processors, node }) => `${processor} × ${processors}, Node ${node}`,
};

/** Lines of a table whose columns are as wide as they must be. */
export function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column < 2 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])))
        .join('  '),
    )
    .join('\n');
}
