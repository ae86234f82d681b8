import { type CompletionRequest, promptsOf } from '@unfold/contracts';
import type { SessionOwner } from '@unfold/store';
import type { CompletionOptions } from '../inference/protocol.ts';
import { usualOptions } from '../inference/usual-options.ts';

/**
 * What inference is asked for by a request of a key. How much of a prompt was read before is told in the usage, so that what one key has
 * sent is no other's to find out.
 */
export const completionOptions = (
  body: CompletionRequest,
  { project, key }: SessionOwner,
): CompletionOptions => ({
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
  stop: body.stop === null ? usualOptions.stop : [body.stop].flat(),
  seed: body.seed,
  frequency_penalty: body.frequency_penalty,
  presence_penalty: body.presence_penalty,
  logit_bias: body.logit_bias,
  context: body.context,
  cache_scope: JSON.stringify([project, key]),
  session: null,
  whole: !body.stream,
});
