import type { ErrorEnvelope } from '@unfold/contracts';

/** What the API refused, in its own words: which field, what was expected, what came. */
export class UnfoldError extends Error {
  override readonly name = 'UnfoldError';
  /** HTTP status of the answer. */
  readonly status: number;
  /** The kind of error, such as `invalid_request_error`. */
  readonly type: string;
  /** The code of the catalogue, such as `contradictory_options`. */
  readonly code: string;
  /** The field at fault, as a path (`training.batch_size`), or null. */
  readonly param: string | null;
  /** What the server's log calls the request. */
  readonly requestId: string | null;

  constructor(status: number, { error }: ErrorEnvelope) {
    super(error.message);
    this.status = status;
    this.type = error.type;
    this.code = error.code;
    this.param = error.param;
    this.requestId = error.request_id;
  }
}

/** No answer: the service is away, or the connection broke. `cause` says how. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';

  constructor(what: string, cause?: unknown) {
    super(what, { cause });
  }
}

/** Whether a message or an event is an error envelope. */
export const isEnvelope = (data: unknown): data is ErrorEnvelope =>
  typeof data === 'object' &&
  data !== null &&
  'error' in data &&
  typeof data.error === 'object' &&
  !('seq' in data);

/** The error of an answer that is none of 2xx, also where something in between (a proxy) has answered. */
export const errorOf = async (answer: Response): Promise<UnfoldError> => {
  const text = await answer.text().catch(() => '');
  try {
    const body: unknown = JSON.parse(text);
    if (isEnvelope(body)) return new UnfoldError(answer.status, body);
  } catch {
    // Not JSON: no answer of the API's own.
  }
  const message = `${answer.url || 'The service'} answered ${answer.status} ${answer.statusText}`.trim();
  return new UnfoldError(answer.status, {
    error: {
      message: `${message}, not as Unfold does.`,
      type: answer.status >= 500 ? 'server_error' : 'invalid_request_error',
      code: 'foreign_answer',
      param: null,
      request_id: answer.headers.get('x-request-id'),
    },
  });
};
