// The door for processes that leave training and answering to their threads: it loads neither.
export { completeSpec } from './complete-spec.ts';
export type { VocabularyCount } from './data/count-vocabulary.ts';
export { fewestTokens } from './data/fewest-tokens.ts';
export type { DataSummary } from './data/records/check-data.ts';
export { placesOf, textPlaces } from './data/records/places.ts';
export { estimate, type TrainingNeeds } from './estimate.ts';
export { expectTransferable } from './training/transfer-check.ts';
export { exportWeights } from './weights/export.ts';
export { inspectWeights } from './weights/inspect.ts';
export { readPlaces } from './weights/metadata.ts';
export { readHeader } from './weights/safetensors.ts';
