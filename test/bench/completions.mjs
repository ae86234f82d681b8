// What a caller of the library gets: `LanguageModel.complete` with a model of random weights.
import { LanguageModel } from '@unfold/rnn';
import { randomModel } from './service/random-model.mjs';

/**
 * Loads the model and returns { write(tokens), ask(tokens, more), score(calls), close() }: so many streams begin together and write so many
 * tokens each; one call asks for as many choices or beams; as many lines are scored in so many calls.
 */
export async function createCompletions(backend, model, streams) {
  const loaded = await LanguageModel.load(randomModel(model), backend);
  const options = {
    prompts: [' '],
    temperature: 1,
    top_p: 1,
    top_k: null,
    n: 1,
    best_of: 1,
    beam_width: null,
    echo: false,
    logprobs: null,
    stop: [],
    frequency_penalty: 0,
    presence_penalty: 0,
    logit_bias: null,
    context: null,
    cache_scope: '',
    session: null,
    whole: true,
  };

  async function write(max_tokens) {
    const calls = Array.from({ length: streams }, (_, seed) =>
      loaded.complete({ ...options, max_tokens, seed }, () => {}),
    );
    await Promise.all(calls.map(({ result }) => result));
  }

  const ask = (max_tokens, more) =>
    loaded.complete({ ...options, max_tokens, seed: 1, ...more }, () => {}).result;

  // Lines of different lengths, of characters that every vocabulary of this size has.
  const lines = Array.from({ length: streams }, (_, n) => ' '.repeat(40 + ((7 * n) % 20)));
  const score = (calls) =>
    Promise.all(
      Array.from({ length: calls }, (_, c) => loaded.scoreAll(lines.filter((_line, n) => n % calls === c))),
    );
  return { write, ask, score, close: () => loaded.close() };
}
