/** What the data has at a place of the network: tokens, however many, or vectors of so many numbers. */
export type Place = { kind: 'tokens' } | { kind: 'vectors'; width: number };

export interface DataPlaces {
  input: Place;
  /** null: the input's next steps. */
  output: Place | null;
  /** null: there is none. */
  context: Place | null;
}

/** What reads one endless text, and writes it. */
export const textPlaces: DataPlaces = { input: { kind: 'tokens' }, output: null, context: null };

type Part = { kind: 'vectors'; width: number } | { kind: 'text' | 'tokens' | 'names' | 'label' };

const placeOf = (part: Part): Place =>
  part.kind === 'vectors' ? { kind: 'vectors', width: part.width } : { kind: 'tokens' };

/** The places of data, as its encoding or its summary tells them. */
export const placesOf = (data: Record<keyof DataPlaces, Part | null>): DataPlaces => ({
  input: placeOf(data.input!),
  output: data.output && placeOf(data.output),
  context: data.context && placeOf(data.context),
});

export const describePlace = (place: Place | null): string => {
  if (place === null) return 'nothing';
  return place.kind === 'tokens' ? 'tokens' : `vectors of ${place.width} numbers`;
};
