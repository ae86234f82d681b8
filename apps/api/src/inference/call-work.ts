import type { ModelSource, Task } from './protocol.ts';

// Of a token: what its draw and its text cost, and each byte of weights. On two Zen 3 cores, many streams side by side; only ratios matter.
const microsecondsPerToken = 10;
const microsecondsPerByte = 8e-6;

/** Of a text that is written, since it is unknown when a long one ends: threads are as busy as they have streams. */
const mostTokens = 32;
/** What is no model's work is seldom, and may keep a thread for long. */
const otherMicroseconds = 100_000;

const tokensOf = (task: Task): number => {
  switch (task.type) {
    case 'complete': {
      const { prompts, max_tokens, best_of, beam_width } = task.options;
      // The last one of a prompt is read with the step that draws the first.
      const read = prompts.reduce((sum, prompt) => sum + Math.max(0, prompt.length - 1), 0);
      return read + prompts.length * (beam_width ?? best_of) * Math.min(max_tokens, mostTokens);
    }
    case 'score':
      return task.options.texts.reduce((sum, text) => sum + text.length, 0);
    case 'activations':
      return task.options.text.length;
    default:
      return mostTokens;
  }
};

/** About how many microseconds of a thread a task takes, or, of a long text, its beginning. */
export const workOf = (task: Task, model: ModelSource | null): number =>
  model === null
    ? otherMicroseconds
    : Math.ceil(tokensOf(task) * (microsecondsPerToken + microsecondsPerByte * model.bytes));
