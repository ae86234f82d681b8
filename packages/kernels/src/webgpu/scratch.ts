import type { Place } from './place.ts';

/** At least `size` elements that nobody else uses under this name; contents are arbitrary. Grown, never shrunk. */
export type Scratch = (name: string, size: number) => Place;

export function createScratch(allocate: (size: number) => Place, free: (place: Place) => void): Scratch {
  const places = new Map<string, Place>();
  return (name, size) => {
    const present = places.get(name);
    if (present && present.length >= size) return present;
    // Kernels that were enqueued run before those that will use this memory for something else.
    if (present) free(present);
    const place = allocate(size);
    places.set(name, place);
    return place;
  };
}
