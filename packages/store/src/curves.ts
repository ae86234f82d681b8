import type { FrameBody, MetricsResource } from '@unfold/contracts';
import type { MetricsQuery } from './repositories.ts';
import { thinOut } from './thin-out.ts';

/** What curves are made of: points, and what withdraws them. */
export type CurveFrame = Extract<FrameBody, { type: 'metric' | 'restart' }>;

/** One name's values by place, NaN where there is none: numbers alone take a third of the memory that numbers and nulls do. */
interface Column {
  /** Of its first value. */
  first: number;
  values: number[];
}

/** The first place whose step is not below this one. */
const lowerBound = (steps: readonly number[], step: number): number => {
  let low = 0;
  let high = steps.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (steps[middle]! < step) low = middle + 1;
    else high = middle;
  }
  return low;
};

const orNull = (value: number | undefined): number | null =>
  value === undefined || Number.isNaN(value) ? null : value;

export interface Curves {
  /** The log's next frame. @param at when it was appended, in Unix milliseconds */
  read(frame: CurveFrame, at: number): void;
  /** What was read. @param seq the last frame that was */
  toMetrics(job_id: string, seq: number): MetricsResource;
}

/**
 * Makes curves of a log that is read from its start: over the union of their steps, and null where a name has no value at a step. Points of the
 * same step are one; of two values of a name the later stands.
 */
export const createCurves = (query: MetricsQuery): Curves => {
  const names = query.names && query.names.length > 0 ? query.names : null;
  const steps: number[] = [];
  const times: number[] = [];
  const columns = new Map<string, Column>();

  const insert = (place: number, step: number, at: number): void => {
    steps.splice(place, 0, step);
    times.splice(place, 0, at);
    for (const column of columns.values()) {
      if (column.first >= place) column.first += 1;
      if (column.values.length > place) column.values.splice(place, 0, NaN);
    }
  };

  /** Where the point of this step stands. A run's steps grow, so nearly always behind all others. */
  const placeOf = (step: number, at: number): number => {
    const { length } = steps;
    if (length === 0 || step > steps[length - 1]!) {
      steps.push(step);
      times.push(at);
      return length;
    }
    const place = lowerBound(steps, step);
    if (steps[place] !== step) insert(place, step, at);
    return place;
  };

  const put = (name: string, place: number, value: number | null): void => {
    let column = columns.get(name);
    if (column === undefined) {
      column = { first: place, values: [] };
      columns.set(name, column);
    }
    const { values } = column;
    while (values.length < place) values.push(NaN);
    values[place] = value ?? NaN;
    column.first = Math.min(column.first, place);
  };

  const cut = (length: number): void => {
    steps.length = length;
    times.length = length;
    for (const [name, column] of columns)
      if (column.first >= length) columns.delete(name);
      else if (column.values.length > length) column.values.length = length;
  };

  return {
    read(frame, at) {
      if (frame.type === 'restart') return cut(lowerBound(steps, frame.from_step + 1));
      const { step, values } = frame;
      const own = names === null ? Object.keys(values) : names.filter((name) => Object.hasOwn(values, name));
      if (own.length === 0) return;
      const place = placeOf(step, at);
      for (const name of own) put(name, place, values[name]!);
    },

    toMetrics(job_id, seq) {
      const downsampled = query.points !== undefined && steps.length > query.points;
      const all = [...steps.keys()];
      const placesOf = ({ values }: Column) => all.filter((place) => orNull(values[place]) !== null);
      const places = downsampled ? thinOut(steps, [...columns.values()].map(placesOf), query.points!) : all;
      const pick = (values: readonly number[]): number[] => places.map((place) => values[place]!);
      const present = names ?? [...columns.keys()];
      return {
        job_id,
        steps: pick(steps),
        series: Object.fromEntries(
          present.map((name) => {
            const { values } = columns.get(name) ?? { values: [] };
            return [name, places.map((place) => orNull(values[place]))];
          }),
        ),
        ...(query.times && { times: pick(times) }),
        downsampled,
        seq,
      };
    },
  };
};
