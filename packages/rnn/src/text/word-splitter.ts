/** Scripts that write words without spaces between them: each of their letters is a word of its own. */
const unspacedScripts = ['Han', 'Hiragana', 'Katakana', 'Thai', 'Lao', 'Khmer', 'Myanmar']
  .map((script) => `\\p{Script=${script}}`)
  .join('');

const letters = `[[\\p{L}\\p{M}\\p{N}_]--[${unspacedScripts}]]`;

/** No word has more code points than this, so that a text without any space still streams in bounded memory. */
const longestRun = 48;
const longestContinuations = 3;
/** Code points of the longest word, the space before it and what joins its runs included. */
export const longestWord = 1 + longestRun + longestContinuations * (1 + longestRun);

const wordPattern = new RegExp(
  [
    ` ?${letters}{1,${longestRun}}(?:['’\\-]${letters}{1,${longestRun}}){0,${longestContinuations}}`,
    ` ?[^\\s[${letters}]]`,
    '\\s',
  ].join('|'),
  'gsv',
);

/** UTF-16 units that a word and what decides its end can span; a chunk's last units wait for what follows them. */
const lookahead = 2 * (2 + (longestRun + 1) * (longestContinuations + 1)) + 2;

/**
 * Cuts text into words without losing a character: the words of a text, joined, are the text.
 *
 * A word is a run of letters, digits, marks and underscores, with inner apostrophes and hyphens (`don't`), or one other
 * character, each together with one space before it (` the`, ` (`); or one white-space character. Letters of scripts
 * that write no spaces stand alone.
 */
export interface WordSplitter {
  /** The words that a chunk completes. Chunks may be cut anywhere, even within a surrogate pair. */
  push(chunk: string): string[];
  /** The words still held back. */
  finish(): string[];
}

export const createWordSplitter = (): WordSplitter => {
  let pending = '';

  const take = (decidedUpTo: number): string[] => {
    const words: string[] = [];
    let end = 0;
    wordPattern.lastIndex = 0;
    while (end < decidedUpTo) {
      const match = wordPattern.exec(pending);
      if (match === null) break;
      words.push(match[0]);
      end = wordPattern.lastIndex;
    }
    pending = pending.slice(end);
    return words;
  };

  return {
    push(chunk) {
      pending += chunk;
      return take(pending.length - lookahead);
    },
    finish: () => take(pending.length),
  };
};

export const splitWords = (text: string): string[] => {
  const splitter = createWordSplitter();
  return [...splitter.push(text), ...splitter.finish()];
};
