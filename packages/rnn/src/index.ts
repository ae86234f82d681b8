export {
  availableProcessors,
  type Backend,
  type BackendName,
  type BackendOptions,
  createBackend,
  createReference,
  DeviceLostError,
  DeviceMemoryError,
  EngineUnavailableError,
  tfjsFlavour,
} from '@unfold/kernels';
export { completeSpec } from './complete-spec.ts';
export type { ContextValue } from './context-value.ts';
export { countVocabulary, type VocabularyCount, type VocabularyRequest } from './data/count-vocabulary.ts';
export { type DataPreview, previewData } from './data/preview/data-preview.ts';
export { checkData, type DataCheckRequest, type DataSummary } from './data/records/check-data.ts';
export { dataLimits } from './data/records/data-limits.ts';
export { type DataPlaces, type Place, placesOf, textPlaces } from './data/records/places.ts';
export { estimate, type TextSize, type TrainingNeeds } from './estimate.ts';
export type { ActivationOptions, Activations } from './generation/activations.ts';
export type { Logprobs } from './generation/choice-text.ts';
export type { Completion } from './generation/completion.ts';
export type {
  CompletionChunk,
  CompletionOptions,
  CompletionResult,
} from './generation/completion-options.ts';
export type { GeneratedToken } from './generation/generate.ts';
export { PrefixCache } from './generation/prefix-cache.ts';
export type { Score } from './generation/score.ts';
export {
  LanguageModel,
  type LanguageModelOptions as GenerateOptions,
} from './language-model.ts';
export { loadModel } from './load-model.ts';
export { atInput, type PredictionInput } from './prediction-input.ts';
export { type Prediction, type PredictionOptions, Predictor } from './predictor.ts';
export { createTokenizer } from './text/create-tokenizer.ts';
export type { TokenDecoder, TokenEncoder, Tokenizer, TokenizerData, TokenLevel } from './text/tokenizer.ts';
export type {
  CheckpointReason,
  ControlAnswer,
  TrainingEvent,
  TrainingOutcome,
} from './training/events.ts';
export { precisionOf } from './training/precision.ts';
export { type TrainOptions, train } from './training/train.ts';
export { expectTransferable, type TransferSide } from './training/transfer-check.ts';
export { exportWeights } from './weights/export.ts';
export { type InspectedWeights, inspectWeights, type WeightLimits } from './weights/inspect.ts';
export { readPlaces } from './weights/metadata.ts';
export { defaultHeaderBytes, readHeader, readTensor } from './weights/safetensors.ts';
