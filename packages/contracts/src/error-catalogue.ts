type ErrorType =
  | 'invalid_request_error'
  | 'authentication_error'
  | 'permission_error'
  | 'not_found_error'
  | 'conflict_error'
  | 'rate_limit_error'
  | 'training_error'
  | 'server_error';

interface CatalogueEntry {
  /** HTTP status of an answer that carries this code. */
  status: number;
  type: ErrorType;
  /** Whether the same job may succeed when it is tried again without a change by its owner. */
  retryable: boolean;
}

const entry = (status: number, type: ErrorType, retryable = false): CatalogueEntry => ({
  status,
  type,
  retryable,
});

/**
 * Every error that leaves a process. An API answer takes its status and type from here; the worker takes from here
 * whether a failed attempt is worth another.
 */
export const errorCatalogue = {
  malformed_body: entry(400, 'invalid_request_error'),
  invalid_value: entry(400, 'invalid_request_error'),
  missing_field: entry(400, 'invalid_request_error'),
  unknown_field: entry(400, 'invalid_request_error'),
  contradictory_options: entry(400, 'invalid_request_error'),
  upload_interrupted: entry(400, 'invalid_request_error'),
  invalid_api_key: entry(401, 'authentication_error'),
  insufficient_scope: entry(403, 'permission_error'),
  forbidden_origin: entry(403, 'permission_error'),
  forbidden_host: entry(403, 'permission_error'),
  not_found: entry(404, 'not_found_error'),
  method_not_allowed: entry(405, 'invalid_request_error'),
  wrong_state: entry(409, 'conflict_error'),
  in_use: entry(409, 'conflict_error'),
  session_busy: entry(409, 'conflict_error'),
  snapshot_limit: entry(409, 'conflict_error'),
  idempotency_in_progress: entry(409, 'conflict_error'),
  payload_too_large: entry(413, 'invalid_request_error'),
  unsupported_media_type: entry(415, 'invalid_request_error'),
  range_not_satisfiable: entry(416, 'invalid_request_error'),
  upgrade_required: entry(426, 'invalid_request_error'),
  empty_file: entry(422, 'invalid_request_error'),
  invalid_utf8: entry(422, 'invalid_request_error'),
  text_too_short: entry(422, 'invalid_request_error'),
  impossible_with_data: entry(422, 'invalid_request_error'),
  invalid_data: entry(422, 'invalid_request_error'),
  invalid_weights: entry(422, 'invalid_request_error'),
  idempotency_mismatch: entry(422, 'invalid_request_error'),
  limit_exceeded: entry(422, 'invalid_request_error'),
  rate_limited: entry(429, 'rate_limit_error'),
  queue_full: entry(429, 'rate_limit_error'),
  overloaded: entry(429, 'rate_limit_error'),
  quota_exceeded: entry(429, 'rate_limit_error'),
  session_limit: entry(429, 'rate_limit_error'),
  internal: entry(500, 'server_error'),
  unavailable: entry(503, 'server_error', true),
  storage_full: entry(507, 'server_error', true),
  diverged: entry(500, 'training_error'),
  engine_unavailable: entry(500, 'training_error'),
  out_of_memory: entry(500, 'training_error'),
  data_missing: entry(500, 'training_error'),
  data_changed: entry(500, 'training_error'),
  artifact_corrupt: entry(500, 'training_error'),
  worker_lost: entry(500, 'training_error', true),
  attempts_exhausted: entry(500, 'training_error'),
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof errorCatalogue;
export const errorCodes = Object.keys(errorCatalogue) as [ErrorCode, ...ErrorCode[]];

/** An error from the catalogue. `message` is public: it says what was expected and what was received. */
export class UnfoldError extends Error {
  override readonly name = 'UnfoldError';
  readonly code: ErrorCode;
  /** The field at fault, as a path (`training.batch_size`), or null. */
  readonly param: string | null;

  constructor(code: ErrorCode, message: string, options: { param?: string | null; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.param = options.param ?? null;
  }

  get status(): number {
    return errorCatalogue[this.code].status;
  }

  get retryable(): boolean {
    return errorCatalogue[this.code].retryable;
  }
}
