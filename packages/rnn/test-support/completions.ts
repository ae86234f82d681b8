import { type Backend, createNative, createReference } from '@unfold/kernels';
import { nativeEngines } from '../../../test/support/native-engines.ts';
import type { Logprobs } from '../src/generation/choice-text.ts';
import type {
  CompletionChunk,
  CompletionOptions,
  CompletionResult,
} from '../src/generation/completion-options.ts';
import type { PrefixCache } from '../src/generation/prefix-cache.ts';
import { LanguageModel } from '../src/language-model.ts';
import { exportWeights } from '../src/weights/export.ts';
import { checkpointsOf, record, textFile, tinySpec } from './runs.ts';

export const lines = 'the cat sat on the mat\nthe dog sat on the log\nä bird sings € of it\n'.repeat(12);

/** The engines of this machine. */
export const engines: [string, () => Backend][] = [
  ['reference', () => createReference()],
  ...(nativeEngines().length > 0
    ? [['native', () => createNative({ threads: 1 })] as [string, () => Backend]]
    : []),
];

/** Weights of a network that learned a few lines for some steps. */
export const trainTiny = async (
  fields: Parameters<typeof tinySpec>[0] = {},
  text = lines,
): Promise<Uint8Array> => {
  const spec = tinySpec({
    ...fields,
    model: { hidden_size: 12, ...fields.model },
    training: {
      epochs: 3,
      batch_size: 4,
      evaluate_every: 1000,
      optimizer: { learning_rate: 0.02 },
      ...fields.training,
    },
  });
  return exportWeights(checkpointsOf(await record({ spec, data: textFile(text) })).at(-1)!.data);
};

export const loadTiny = (weights: Uint8Array, backend = createReference()): Promise<LanguageModel> =>
  LanguageModel.load(weights, backend);

/** Options that ask for one plain choice. */
export const plain: CompletionOptions = {
  prompts: [''],
  max_tokens: 16,
  temperature: 1,
  top_p: 1,
  top_k: null,
  n: 1,
  best_of: 1,
  beam_width: null,
  echo: false,
  logprobs: null,
  stop: [],
  seed: 7,
  frequency_penalty: 0,
  presence_penalty: 0,
  logit_bias: null,
  context: null,
  cache_scope: 'default',
  session: null,
};

export interface Answered {
  choices: { text: string; finish_reason: string | null; logprobs: Logprobs | null }[];
  chunks: CompletionChunk[];
  result: CompletionResult;
}

/** Everything that a call answers. */
export const complete = async (
  model: LanguageModel,
  options: Partial<CompletionOptions>,
  cache: PrefixCache | null = null,
): Promise<Answered> => {
  const chunks: CompletionChunk[] = [];
  const all = { ...plain, best_of: options.n ?? 1, ...options };
  const result = await model.complete(all, (chunk) => chunks.push(chunk), { cache }).result;
  const choices = Array.from({ length: all.prompts.length * all.n }, (_, index) => {
    const own = chunks.filter((chunk) => chunk.index === index);
    const lists = own.flatMap(({ logprobs }) => (logprobs ? [logprobs] : []));
    return {
      text: own.map(({ text }) => text).join(''),
      finish_reason: own.at(-1)?.finish_reason ?? null,
      logprobs:
        lists.length === 0
          ? null
          : {
              tokens: lists.flatMap(({ tokens }) => tokens),
              token_logprobs: lists.flatMap(({ token_logprobs }) => token_logprobs),
              top_logprobs: lists.flatMap(({ top_logprobs }) => top_logprobs),
              text_offset: lists.flatMap(({ text_offset }) => text_offset),
            },
    };
  });
  return { choices, chunks, result };
};
