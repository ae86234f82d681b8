/** Which pieces of a text are a block of their own: those from `from` to before `to`. */
export interface BlockRange {
  from: number;
  to: number;
}

const usual = 100;
const long = 1000;
const longest = 2000;

/** Whether a block of so many pieces may end with this one: with a line; where there are no lines with a word; at last anywhere. */
const endsBlock = (text: string, size: number): boolean =>
  size >= longest || (size >= long ? /\s$/ : size >= usual ? /\n$/ : /$^/).test(text);

/**
 * Cuts a text that grows at its end into blocks, so that what stands above its last lines is neither rendered nor laid out again. A block begins
 * a line of its own, so it ends where a line does; in a text of a thousand pieces without a line one is broken that would have gone on.
 *
 * @returns the blocks of the first `length` pieces; complete ones are the same objects every time, and what is looked at are the pieces since
 */
export const createBlocks = (
  pieces: readonly { text: string }[],
): ((length: number) => readonly BlockRange[]) => {
  const complete: BlockRange[] = [];
  let from = 0;
  let seen = 0;
  return (length) => {
    for (; seen < length; seen++)
      if (endsBlock(pieces[seen]!.text, seen + 1 - from)) {
        complete.push({ from, to: seen + 1 });
        from = seen + 1;
      }
    return from < length ? [...complete, { from, to: length }] : complete;
  };
};
