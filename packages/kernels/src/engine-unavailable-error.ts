/** An engine that was asked for by name does not work on this machine; the message says what to do. */
export class EngineUnavailableError extends Error {
  override name = 'EngineUnavailableError';
}
