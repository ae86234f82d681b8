/** What a client's error carries beside its message, whichever kind it is. */
interface Told {
  name?: string;
  message?: string;
  status?: number;
  code?: string | null;
  param?: string | null;
  requestId?: string | null;
}

/** An error as people read it. The message of the API names the field, what was expected and what came. */
export const describeError = (
  error: unknown,
): { title: string; message: string; param: string | null; requestId: string | null; forbidden: boolean } => {
  const { name, message, status, param, requestId } = (error ?? {}) as Told;
  const titleOf = (): string => {
    if (name === 'UnreachableError') return 'The server cannot be reached';
    if (status === 404) return 'Not found';
    if (status === 401 || status === 403) return 'Not allowed';
    if (status === 429) return 'Too many requests';
    if (status !== undefined && status >= 500) return 'The server failed';
    return status === undefined ? 'Something went wrong' : 'That does not work';
  };
  return {
    title: titleOf(),
    // The API asks for a header, which nobody sends by hand from a browser; the dialog that asks for the key says more.
    message: status === 401 ? 'An API key is needed.' : (message ?? String(error)),
    param: param ?? null,
    requestId: requestId ?? null,
    forbidden: status === 403,
  };
};
