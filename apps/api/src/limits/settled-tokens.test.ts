import { completionRequest } from '@unfold/contracts';
import { describe, expect, it } from 'vitest';
import { completionOptions } from '../completions/completion-options.ts';
import type { CompletionChunk, CompletionResult } from '../inference/protocol.ts';
import { settledTokens, settling } from './settled-tokens.ts';

const options = completionOptions(
  completionRequest.parse({ model: 'm', prompt: ['the cat', 'a dog'], max_tokens: 20 }),
  { project: 'default', key: 'local' },
);
const prompts = 'the cat'.length + 'a dog'.length;

interface Written {
  chunks: number;
  /** Throws where the text would have ended. */
  fails?: boolean;
}

async function* writing({
  chunks,
  fails = false,
}: Written): AsyncGenerator<CompletionChunk, CompletionResult> {
  for (let index = 0; index < chunks; index++)
    yield { index, text: 'a', finish_reason: null, logprobs: null };
  if (fails) throw new Error('broken off');
  return { prompt_tokens: 10, completion_tokens: 4, cached_tokens: 0, session: null };
}

const setUp = () => {
  const gone = new AbortController();
  const seen = { reserved: 0, settled: [] as number[] };
  const settle = async (used: number) => void seen.settled.push(used);
  const reserve = async (most: number) => {
    seen.reserved = most;
    return settle;
  };
  return { gone, seen, settle, reserving: { options, reserve, signal: gone.signal } };
};

const drain = async (chunks: AsyncGenerator): Promise<void> => {
  for await (const _ of chunks);
};

describe('the tokens of a completion', () => {
  it('are set aside when it begins, and are those of its usage when it has ended', async () => {
    const { seen, reserving } = setUp();
    const chunks = settledTokens(writing({ chunks: 2 }), reserving);
    expect(seen.reserved).toBe(0);
    await drain(chunks);
    expect(seen).toEqual({ reserved: prompts + 40, settled: [14] });
  });

  it('are its prompts at least, when its client goes away', async () => {
    for (const chunks of [0, 3]) {
      const { gone, seen, reserving } = setUp();
      gone.abort();
      await expect(drain(settledTokens(writing({ chunks, fails: true }), reserving))).rejects.toThrow();
      expect(seen.settled).toEqual([prompts + chunks]);
    }
  });

  it('are its prompts and what it gave, when it breaks off by itself, and none when it gave nothing', async () => {
    for (const [chunks, used] of [
      [0, 0],
      [3, prompts + 3],
    ] as const) {
      const { seen, reserving } = setUp();
      await expect(drain(settledTokens(writing({ chunks, fails: true }), reserving))).rejects.toThrow();
      expect(seen.settled).toEqual([used]);
    }
  });

  it('are its prompts and what was taken, when its reader stops', async () => {
    const { seen, reserving } = setUp();
    for await (const _ of settledTokens(writing({ chunks: 3 }), reserving)) break;
    expect(seen.settled).toEqual([prompts + 1]);
  });
});

describe('the tokens of other work', () => {
  it('are told by its result, none if it fails, and all that it could take if its client goes away', async () => {
    const { gone, seen, settle } = setUp();
    const reserved = { most: 10, settle, signal: gone.signal };
    const fail = async () => Promise.reject(new Error('failed'));
    await settling(
      reserved,
      async () => 7,
      (result) => result,
    );
    await expect(settling(reserved, fail, () => 7)).rejects.toThrow();
    gone.abort();
    await expect(settling(reserved, fail, () => 7)).rejects.toThrow();
    expect(seen.settled).toEqual([7, 0, 10]);
  });
});
