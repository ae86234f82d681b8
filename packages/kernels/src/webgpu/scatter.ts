import { elementwise, gridFor } from './grid.ts';
import type { Place } from './place.ts';
import type { Recorder } from './recorder.ts';
import type { Scratch } from './scratch.ts';
import type { Columns } from './sums.ts';

/** Rows that one thread adds up, so that a frequent token is no thread's whole work. */
const segmentRows = 32;

/** Rows of equal index together, in their order, cut into segments. */
interface Segments {
  /** Row numbers, sorted by index. */
  readonly order: Int32Array;
  /** Segment s is order[starts[s]] … order[starts[s + 1] − 1]. */
  readonly starts: Int32Array;
  /** The indices that occur. */
  readonly present: Int32Array;
  /** Index present[j] has the segments firsts[j] … firsts[j + 1] − 1. */
  readonly firsts: Int32Array;
}

function segmentsOf(indices: Int32Array, count: number): Segments {
  const ends = new Int32Array(count + 1);
  for (const index of indices) if (index >= 0) ends[index + 1]!++;
  for (let index = 0; index < count; index++) ends[index + 1]! += ends[index]!;
  const order = new Int32Array(ends[count]!);
  // Filling moves each start to its index's end, which is the next one's start.
  for (const [row, index] of indices.entries()) if (index >= 0) order[ends[index]!++] = row;
  const starts: number[] = [];
  const present: number[] = [];
  const firsts: number[] = [];
  for (let index = 0, at = 0; index < count; index++) {
    const end = ends[index]!;
    if (at === end) continue;
    present.push(index);
    firsts.push(starts.length);
    for (; at < end; at += segmentRows) starts.push(at);
    at = end;
  }
  firsts.push(starts.length);
  starts.push(order.length);
  return {
    order,
    starts: Int32Array.from(starts),
    present: Int32Array.from(present),
    firsts: Int32Array.from(firsts),
  };
}

const segmentSums = elementwise({
  name: 'segment sums',
  reals: ['source', 'sums'],
  ints: ['order', 'starts'],
  numbers: { columns: 'u32', source_row: 'u32' },
  body: `let segment = i / p.columns;
  let k = i % p.columns;
  let end = starts(segment + 1u);
  var sum = 0.0;
  for (var at = starts(segment); at < end; at++) { sum += source(u32(order(u32(at))) * p.source_row + k); }
  set_sums(i, sum);`,
});

const addSegments = elementwise({
  name: 'sums of segments',
  reals: ['sums', 'sink'],
  ints: ['present', 'firsts'],
  numbers: { columns: 'u32', sink_row: 'u32' },
  body: `let j = i / p.columns;
  let k = i % p.columns;
  let end = firsts(j + 1u);
  var sum = 0.0;
  for (var segment = firsts(j); segment < end; segment++) { sum += sums(u32(segment) * p.columns + k); }
  let at = u32(present(j)) * p.sink_row + k;
  set_sink(at, sink(at) + sum);`,
});

/** sink[indices[r], k] += source[r, k] for each row r whose index is not −1. Integers are known on the host, which sorts them: no atomics, one order. */
export function scatterAdd(
  recorder: Recorder,
  scratch: Scratch,
  indices: Int32Array,
  count: number,
  { place: source, row, count: columns }: Columns,
  sink: Place,
  sinkRow: number,
): void {
  const { order, starts, present, firsts } = segmentsOf(indices, count);
  const elements = (starts.length - 1) * columns;
  if (elements === 0) return;
  const sums = scratch('segments', elements);
  recorder.dispatch(
    segmentSums,
    {
      reals: { source, sums },
      ints: { order, starts },
      numbers: { columns, source_row: row, count: elements },
    },
    gridFor(elements),
  );
  const summed = present.length * columns;
  recorder.dispatch(
    addSegments,
    {
      reals: { sums, sink },
      ints: { present, firsts },
      numbers: { columns, sink_row: sinkRow, count: summed },
    },
    gridFor(summed),
  );
}
