import { UnfoldError } from '@unfold/contracts';

/** Codes of Prisma, of PostgreSQL and of the operating system that all say: no database just now. */
const unavailableCodes = new Set([
  'P1001',
  'P1002',
  'P1008',
  'P1017',
  'P2024',
  'P2028',
  'P2037',
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  '08000',
  '08001',
  '08003',
  '08004',
  '08006',
  '25P03',
  '53200',
  '53300',
  '55P03',
  '57014',
  '57P01',
  '57P02',
  '57P03',
  '57P05',
]);
const unavailableKinds = new Set([
  'DatabaseNotReachable',
  'ConnectionClosed',
  'SocketTimeout',
  'TooManyConnections',
]);
/** node-postgres gives these errors no code. */
const unavailableMessages =
  /connection terminated|connection ended|timeout exceeded when trying to connect|client has encountered a connection error|client was closed|not queryable|cannot use a pool after calling end/i;

/** An error, what it was wrapped round, and what Prisma's adapter hides below `meta` and `cause`. */
function* layers(error: unknown, depth = 0): Generator<Record<string, unknown>> {
  if (error === null || typeof error !== 'object' || depth > 6) return;
  const layer = error as Record<string, unknown>;
  yield layer;
  if (Array.isArray(layer.errors)) for (const inner of layer.errors) yield* layers(inner, depth + 1);
  for (const key of ['cause', 'meta', 'driverAdapterError']) yield* layers(layer[key], depth + 1);
}

const codesOf = (layer: Record<string, unknown>): string[] =>
  [layer.code, layer.originalCode].filter((code) => typeof code === 'string');

const some = (error: unknown, test: (layer: Record<string, unknown>) => boolean): boolean => {
  for (const layer of layers(error)) if (test(layer)) return true;
  return false;
};

const isUnavailable = (error: unknown): boolean =>
  some(
    error,
    (layer) =>
      codesOf(layer).some((code) => unavailableCodes.has(code)) ||
      (typeof layer.kind === 'string' && unavailableKinds.has(layer.kind)) ||
      (typeof layer.message === 'string' && unavailableMessages.test(layer.message)),
  );

/** Two transactions were in each other's way and PostgreSQL chose this one to go again. */
export const isConflict = (error: unknown): boolean =>
  some(
    error,
    (layer) =>
      codesOf(layer).some((code) => code === 'P2034' || code === '40001' || code === '40P01') ||
      layer.kind === 'TransactionWriteConflict',
  );

/**
 * A statement that this connection prepared is of no use on it any more: its table has changed since so that its result has other types.
 * Another connection prepares it anew. The routine says it in every language of the server.
 */
export const isStaleStatement = (error: unknown): boolean =>
  some(error, (layer) => codesOf(layer).includes('0A000') && layer.routine === 'RevalidateCachedQuery');

/**
 * A prepared statement is gone, or there is one already that this connection did not prepare: between here and PostgreSQL stands a pooler
 * that hands its connections from one transaction to the next.
 */
export const isPooled = (error: unknown): boolean =>
  some(error, (layer) => codesOf(layer).some((code) => code === '26000' || code === '42P05'));

/** A lost database becomes `unavailable`, a full one `storage_full`; every other error stays what it is. */
export const translateError = (error: unknown): unknown => {
  if (error instanceof UnfoldError) return error;
  if (some(error, (layer) => codesOf(layer).includes('53100')))
    return new UnfoldError('storage_full', "The database's disk is full.", { cause: error });
  if (isUnavailable(error) || isConflict(error))
    return new UnfoldError('unavailable', 'The database cannot be reached just now. Try again.', {
      cause: error,
    });
  return error;
};
