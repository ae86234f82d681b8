/** The places of so many points. */
type Places = readonly number[];

/**
 * So many of these places, spread evenly over the steps, the first and the last among them. Where the steps leave a
 * gap, the next point stands in for the missing one.
 */
const spread = (places: Places, steps: readonly number[], count: number): Places => {
  if (places.length <= count) return places;
  const last = places.length - 1;
  if (count < 2) return count === 1 ? [places[last]!] : [];
  const stepAt = (index: number): number => steps[places[index]!]!;
  const stride = (stepAt(last) - stepAt(0)) / (count - 1);
  const chosen: number[] = [];
  let next = 0;
  for (let i = 0; i < count; i += 1) {
    const wanted = stepAt(0) + i * stride;
    // So many must be left over for those that are still to be chosen.
    const limit = last - (count - 1 - i);
    const nearer = (): boolean => stepAt(next + 1) - wanted <= Math.abs(stepAt(next) - wanted);
    while (next < limit && nearer()) next += 1;
    chosen.push(places[next]!);
    next += 1;
  }
  return chosen;
};

/**
 * The places of at most `count` points. The first and the last always stay. Up to half of the others go to names with
 * few points (a validation loss among thousands of losses), the rarest first; the rest are spread evenly over the steps.
 * @param steps of all points, in order
 * @param places of each name's own points, in order
 */
export const thinOut = (steps: readonly number[], places: readonly Places[], count: number): Places => {
  const sparse = places.filter((own) => own.length < steps.length / 2).sort((a, b) => a.length - b.length);
  const chosen = new Set<number>();
  const last = steps.length - 1;
  const isFree = (place: number): boolean => !chosen.has(place);
  let room = Math.max(0, Math.floor((count - 2) / 2));
  sparse.forEach((own, i) => {
    const free = own.filter((place) => isFree(place) && place !== 0 && place !== last);
    for (const place of spread(free, steps, Math.ceil(room / (sparse.length - i)))) {
      chosen.add(place);
      room -= 1;
    }
  });
  const free = [...steps.keys()].filter(isFree);
  return [...chosen, ...spread(free, steps, count - chosen.size)].sort((a, b) => a - b);
};
