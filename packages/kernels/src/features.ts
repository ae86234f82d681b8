import type { RecurrentForward, RecurrentLayer } from './backend.ts';

/** Options that an engine may lack: those of a recurrent layer, and of kernels. An engine without one refuses the call. */
export type Feature =
  | 'activation'
  | 'candidateActivation'
  | 'peephole'
  | 'reset'
  | 'norm'
  | 'recurrent'
  | 'zoneout'
  | 'recurrentDropout'
  | 'injected';

/** What a layer needs beyond the plain cells. */
export function featuresOf(layer: RecurrentLayer): readonly Feature[] {
  const { activation = 'tanh', candidateActivation = 'tanh', zoneout } = layer;
  const needs: readonly (readonly [Feature, boolean])[] = [
    ['activation', layer.cell === 'elman' && activation !== 'tanh' && activation !== 'relu'],
    ['candidateActivation', candidateActivation !== 'tanh'],
    ['peephole', layer.peephole === true],
    ['reset', layer.reset === 'before'],
    ['norm', layer.norm !== undefined && layer.norm !== 'none'],
    ['recurrent', layer.recurrent === false],
    ['zoneout', zoneout !== undefined && (zoneout.hidden > 0 || zoneout.cell > 0)],
    ['recurrentDropout', (layer.recurrentDropout ?? 0) > 0],
  ];
  return needs.filter(([, needed]) => needed).map(([feature]) => feature);
}

/** What a recurrent call needs: its layer's features, and its own. */
export function featuresOfCall(call: Pick<RecurrentForward, 'layer' | 'injected'>): readonly Feature[] {
  return [...featuresOf(call.layer), ...(call.injected ? (['injected'] as const) : [])];
}

/** An engine does not have an option. Nothing was computed. */
export class UnsupportedFeatureError extends Error {
  readonly code = 'unsupported_feature';
  readonly feature: Feature;

  constructor(engine: string, feature: Feature) {
    super(`The ${engine} engine does not have the option ${feature} yet; the reference engine has it.`);
    this.name = 'UnsupportedFeatureError';
    this.feature = feature;
  }
}
