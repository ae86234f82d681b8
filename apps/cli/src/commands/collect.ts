/** At most so many items of a list, which is asked for no more than that. */
export const collect = async <T>(items: AsyncIterable<T>, limit: number): Promise<T[]> => {
  const collected: T[] = [];
  for await (const item of items) {
    collected.push(item);
    if (collected.length >= limit) break;
  }
  return collected;
};
