interface Waiting<In, Out> {
  item: In;
  resolve: (out: Out) => void;
  reject: (error: unknown) => void;
}

/**
 * Lets calls that come while others are being served be served together, which costs little more than serving one. A call
 * that comes alone waits for nothing. What waits is bounded by the requests that are open.
 * @param serve answers every item at its place; an `Error` there is that caller's alone, one that is thrown is everybody's
 * @param most items served together
 * @param atOnce how many calls of `serve` may run at once
 */
export const createGatherer = <In, Out>(
  serve: (items: In[]) => Promise<(Out | Error)[]>,
  { most = 100, atOnce = 2 } = {},
): ((item: In) => Promise<Out>) => {
  const waiting: Waiting<In, Out>[] = [];
  let serving = 0;

  const serveNext = async (): Promise<void> => {
    const taken = waiting.splice(0, most);
    try {
      const answers = await serve(taken.map(({ item }) => item));
      for (const [k, { resolve, reject }] of taken.entries()) {
        const answer = answers[k] as Out | Error;
        if (answer instanceof Error) reject(answer);
        else resolve(answer);
      }
    } catch (error) {
      for (const { reject } of taken) reject(error);
    }
  };

  const start = async (): Promise<void> => {
    serving += 1;
    // What arrived in the same turn comes along.
    await new Promise(setImmediate);
    while (waiting.length > 0) await serveNext();
    serving -= 1;
  };

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      if (serving < atOnce) void start();
    });
};
