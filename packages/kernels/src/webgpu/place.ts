import type { Region } from '../engine.ts';

/** Elements of float32 in one heap of a backend. */
export interface Place extends Region {
  readonly heap: number;
  /** The first element. */
  readonly at: number;
}

export function placeOf(heap: number, at: number, length: number): Place {
  return { heap, at, length, byteOffset: 4 * at, byteLength: 4 * length };
}

/** Elements first … first + length − 1 of `place`. */
export function part(place: Place, first: number, length: number): Place {
  return placeOf(place.heap, place.at + first, length);
}
