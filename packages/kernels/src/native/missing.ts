import { type Feature, UnsupportedFeatureError } from '../features.ts';

/**
 * What the C++ does not have yet. Conformance leaves these cases out for the native engine and holds it to refusing them; an option leaves this list with
 * the commit that brings its kernel.
 */
export const missingFeatures: ReadonlySet<Feature> = new Set<Feature>();

/** Throws an `UnsupportedFeatureError` for the first of `needs` that is missing. */
export function refuseMissing(needs: readonly Feature[]): void {
  for (const feature of needs)
    if (missingFeatures.has(feature)) throw new UnsupportedFeatureError('native', feature);
}
