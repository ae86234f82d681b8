import type { Frame, MetricsResource } from '@unfold/contracts';
import { Column, lowerBound } from '../charts/columns.ts';

/** A metric's points: each has its own steps, since few are measured at all of them. What was not finite is no point. */
export interface MetricPoints {
  step: Column;
  /** Unix milliseconds. */
  time: Column;
  epoch: Column;
  value: Column;
}

const empty = (): MetricPoints => ({
  step: new Column(),
  time: new Column(),
  epoch: new Column(),
  value: new Column(),
});

const cut = (points: MetricPoints, length: number): void => {
  for (const column of [points.step, points.time, points.epoch, points.value]) column.cut(length);
};

/** The curves of one run: what the metrics route tells, and what frames add to it. */
export class Curves {
  readonly byName = new Map<string, MetricPoints>();
  #epoch = 0;

  #put(name: string, step: number, time: number, value: number): void {
    const points = this.byName.get(name) ?? empty();
    this.byName.set(name, points);
    const { length } = points.step;
    if (length > 0 && step <= points.step.at(length - 1)) {
      const place = lowerBound(points.step.values, step);
      // Heard before: what the route told may come again. Of two values of a step the later stands.
      if (points.step.at(place) === step) {
        points.value.set(place, value);
        return;
      }
      cut(points, place);
    }
    points.step.push(step);
    points.time.push(time);
    points.epoch.push(this.#epoch);
    points.value.push(value);
  }

  /** Everything that the metrics route told, instead of what was here. */
  load({ steps, series, times }: MetricsResource): void {
    this.byName.clear();
    this.#epoch = 0;
    const names = Object.entries(series);
    for (const [place, step] of steps.entries()) {
      this.#epoch = series.epoch?.[place] ?? this.#epoch;
      for (const [name, values] of names) {
        const value = values[place];
        if (value != null) this.#put(name, step, times?.[place] ?? 0, value);
      }
    }
  }

  /** @returns whether the frame changed a curve */
  hear(frame: Frame): boolean {
    if (frame.type === 'restart') {
      for (const points of this.byName.values())
        cut(points, lowerBound(points.step.values, frame.from_step + 1));
      return true;
    }
    if (frame.type !== 'metric') return false;
    this.#epoch = frame.values.epoch ?? this.#epoch;
    const time = Date.parse(frame.at);
    for (const [name, value] of Object.entries(frame.values))
      if (value !== null) this.#put(name, frame.step, time, value);
    return true;
  }
}
