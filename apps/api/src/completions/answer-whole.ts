import type { CompletionResource, FinishReason } from '@unfold/contracts';
import type { ChunkLogprobs, CompletionChunk } from '../inference/protocol.ts';
import type { ApiMetrics } from '../metrics.ts';
import { type Completion, countTokens } from './completion.ts';

interface Choice {
  text: string;
  finish: FinishReason;
  logprobs: ChunkLogprobs | null;
}

const append = (to: ChunkLogprobs, more: ChunkLogprobs): void => {
  for (const name of ['tokens', 'token_logprobs', 'top_logprobs', 'text_offset'] as const)
    for (const entry of more[name]) (to[name] as unknown[]).push(entry);
};

const extend = (choice: Choice, { text, finish_reason, logprobs }: CompletionChunk): void => {
  choice.text += text;
  if (finish_reason !== null) choice.finish = finish_reason;
  if (logprobs === null) return;
  if (choice.logprobs === null) choice.logprobs = logprobs;
  else append(choice.logprobs, logprobs);
};

/** The whole text of every choice in one answer. */
export const answerWhole = async (
  metrics: Pick<ApiMetrics, 'inferenceTokens'>,
  { head, choices: count, chunks }: Completion,
): Promise<CompletionResource> => {
  const choices = Array.from(
    { length: count },
    (): Choice => ({ text: '', finish: 'length', logprobs: null }),
  );
  let step = await chunks.next();
  for (; !step.done; step = await chunks.next()) extend(choices[step.value.index]!, step.value);
  return {
    ...head,
    choices: choices.map(({ text, finish, logprobs }, index) => ({
      index,
      text,
      logprobs,
      finish_reason: finish,
    })),
    usage: countTokens(metrics, step.value),
  };
};
