import { type CompletionRequest, promptsOf } from '@unfold/contracts';
import type { CompletionOptions } from '../inference/protocol.ts';

/** What inference is asked for by a request of a project. */
export const completionOptions = (body: CompletionRequest, project: string): CompletionOptions => ({
  prompts: promptsOf(body.prompt),
  max_tokens: body.max_tokens,
  temperature: body.temperature,
  top_p: body.top_p,
  top_k: body.top_k,
  n: body.n,
  best_of: body.best_of ?? body.n,
  beam_width: body.beam_width,
  echo: body.echo,
  logprobs: body.logprobs,
  stop: body.stop === null ? [] : [body.stop].flat(),
  seed: body.seed,
  frequency_penalty: body.frequency_penalty,
  presence_penalty: body.presence_penalty,
  logit_bias: body.logit_bias,
  context: body.context,
  cache_scope: project,
  session: null,
  whole: !body.stream,
});
