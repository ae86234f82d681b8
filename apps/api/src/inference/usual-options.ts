import type { CompletionOptions } from './protocol.ts';

/** What most calls ask for, and what therefore need not cross to a thread: copying it costs more than the rest of a short call. */
export const usualOptions: Readonly<CompletionOptions> = {
  prompts: [''],
  max_tokens: 256,
  temperature: 1,
  top_p: 1,
  top_k: null,
  n: 1,
  best_of: 1,
  beam_width: null,
  echo: false,
  logprobs: null,
  stop: [],
  seed: null,
  frequency_penalty: 0,
  presence_penalty: 0,
  logit_bias: null,
  context: null,
  cache_scope: '',
  session: null,
  whole: true,
};
const names = Object.keys(usualOptions) as (keyof CompletionOptions)[];

/** The options that are not as usual. */
export const unusualOptions = (options: CompletionOptions): Partial<CompletionOptions> => {
  const unusual: Partial<Record<keyof CompletionOptions, unknown>> = {};
  for (const name of names) if (options[name] !== usualOptions[name]) unusual[name] = options[name];
  return unusual as Partial<CompletionOptions>;
};

/** All options, from those that are not as usual. */
export const allOptions = (unusual: Partial<CompletionOptions>): CompletionOptions => ({
  ...usualOptions,
  ...unusual,
});
