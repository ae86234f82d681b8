import type { ActivationsResource } from '@unfold/contracts';
import { useEffect, useState } from 'react';
import { useUnfold } from '../../api.ts';

/** What the API reads at once; of a longer text the end. */
const mostCharacters = 4000;

/** The end of a text that the API reads at once, without half a character. */
export const watchedPart = (text: string): string =>
  text.slice(-mostCharacters).replace(/^[\uDC00-\uDFFF]/, '');

export interface Watched {
  /** Of which text. */
  text: string;
  activations: ActivationsResource;
}

/** The hidden units over a text, those that vary most; null until they are there. @param text null: nobody wants them now */
export const useActivations = (
  model: string,
  context: string | number[] | null,
  text: string | null,
  layer: number | null,
): { watched: Watched | null; error: unknown } => {
  const { client } = useUnfold();
  const [found, setFound] = useState<{ watched: Watched | null; error: unknown }>({
    watched: null,
    error: null,
  });
  useEffect(() => {
    if (text === null || text === '') return;
    const stop = new AbortController();
    const part = watchedPart(text);
    client.models
      .activations(model, part, { context, limit: 16, ...(layer !== null && { layer }), signal: stop.signal })
      .then(
        (activations) => setFound({ watched: { text: part, activations }, error: null }),
        (error) => !stop.signal.aborted && setFound({ watched: null, error }),
      );
    return () => stop.abort();
  }, [client, model, context, text, layer]);
  return found;
};
