import { type JobSpec, UnfoldError } from '@unfold/contracts';
import { type BatchPlan, planTraining, planValidation } from '../data/batch-plan.ts';
import { prepareTokenFile, type TokenFile } from '../data/token-file.ts';
import type { Checkpoint } from './checkpoint.ts';

/** A run's data: tokens on disk and how they are laid out in lanes and windows. */
export interface RunData {
  file: TokenFile;
  training: BatchPlan;
  /** null: nothing is held out. */
  validation: BatchPlan | null;
}

export interface RunDataRequest {
  spec: JobSpec;
  data: string;
  validation: string | null;
  scratch: string;
  checkpoint: Checkpoint | null;
  interrupted: () => boolean;
}

/** A vocabulary travels in the header of every weights file, and headers have a limit. */
const mostVocabularyBytes = 900_000;

const expectStorableVocabulary = ({ tokenizer }: TokenFile): void => {
  const bytes = Buffer.byteLength(JSON.stringify(JSON.stringify(tokenizer)));
  if (bytes > mostVocabularyBytes)
    throw new UnfoldError(
      'limit_exceeded',
      `The vocabulary of ${tokenizer.tokens.length} tokens takes ${bytes} bytes, more than the ${mostVocabularyBytes} that a weights file's header has room for: lower text.max_vocab.`,
      { param: 'text.max_vocab' },
    );
};

/** Tokenizes the data, unless that is done already, and plans its batches; null if it was interrupted. */
export const openRunData = async (request: RunDataRequest): Promise<RunData | null> => {
  const { spec, checkpoint } = request;
  const { batch_size, sequence_length, validation_fraction } = spec.training;
  const file = await prepareTokenFile({
    data: request.data,
    validation: request.validation,
    text: spec.text,
    validationFraction: validation_fraction,
    scratch: request.scratch,
    interrupted: request.interrupted,
    ...(checkpoint && { resume: { tokenizer: checkpoint.tokenizer, source: checkpoint.record.source } }),
  });
  if (file === null) return null;
  expectStorableVocabulary(file);
  const training = planTraining(file.trainingTokens, batch_size, sequence_length);
  const validates = request.validation !== null || validation_fraction > 0;
  const validation = validates
    ? planValidation(
        file.trainingTokens,
        file.validationTokens,
        batch_size,
        sequence_length,
        request.validation === null ? 'training.validation_fraction' : 'validation_file',
      )
    : null;
  return { file, training, validation };
};
