import { UnfoldError } from '@unfold/contracts/values';
import { isObject, isSessionHeader, longestText } from './check-session-state.ts';
import type { SessionState } from './session-state.ts';

const magic = 'UNFS';
const version = 1;
const prefixBytes = 12;

interface Header extends Omit<SessionState, 'state'> {
  model: string;
  elements: 'float32' | 'float64';
  size: number;
}

/**
 * As bytes that are opaque to everyone else: "UNFS", a version and the length of a JSON header (both 32 bits, little-endian), the header, the
 * state's numbers.
 * @param model whose state it is: another one refuses it
 */
export const encodeSession = (session: SessionState, model: string): Uint8Array => {
  const { state, ...rest } = session;
  const header: Header = {
    ...rest,
    model,
    elements: state instanceof Float64Array ? 'float64' : 'float32',
    size: state.length,
  };
  const text = Buffer.from(JSON.stringify(header));
  const bytes = Buffer.alloc(prefixBytes + text.length + state.byteLength);
  bytes.write(magic, 'latin1');
  bytes.writeUInt32LE(version, 4);
  bytes.writeUInt32LE(text.length, 8);
  bytes.set(text, prefixBytes);
  bytes.set(new Uint8Array(state.buffer, state.byteOffset, state.byteLength), prefixBytes + text.length);
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
};

const refuse = (problem: string, cause?: unknown): never => {
  throw new UnfoldError('invalid_value', `session: ${problem}.`, { param: 'session', cause });
};

const readHeader = (bytes: Buffer): { header: { [field in keyof Header]?: unknown }; end: number } => {
  if (bytes.length < prefixBytes || bytes.toString('latin1', 0, 4) !== magic)
    return refuse('expected the state of a session, but received other bytes');
  if (bytes.readUInt32LE(4) !== version)
    return refuse(
      `expected a state of version ${version}, but received one of version ${bytes.readUInt32LE(4)}`,
    );
  const end = prefixBytes + bytes.readUInt32LE(8);
  let header: unknown;
  try {
    header = JSON.parse(bytes.toString('utf8', prefixBytes, end));
  } catch (error) {
    return refuse('its state is damaged', error);
  }
  return isObject(header) ? { header, end } : refuse('its state is damaged');
};

/**
 * @param shape numbers in a state of the model, and tokens of its vocabulary
 * @throws UnfoldError `invalid_value` for a state of another model, or bytes that are none
 */
export const decodeSession = (
  given: Uint8Array,
  model: string,
  { size, vocabulary }: { size: number; vocabulary: number },
  Real: Float32ArrayConstructor | Float64ArrayConstructor,
): SessionState => {
  const bytes = Buffer.from(given.buffer, given.byteOffset, given.byteLength);
  const { header, end } = readHeader(bytes);
  const { model: of, elements, size: stored, ...rest } = header;
  if (of !== model)
    return refuse('its state belongs to another model; a session goes on with the model that began it');
  const Elements = elements === 'float64' ? Float64Array : Float32Array;
  if (stored !== size || bytes.length !== end + size * Elements.BYTES_PER_ELEMENT)
    return refuse('its state is damaged');
  if (!isSessionHeader(rest, vocabulary)) return refuse('its state says what cannot be');
  // A copy is aligned, as an array of numbers must be.
  const values = new Elements(new Uint8Array(bytes.subarray(end)).buffer, 0, size);
  if (!values.every(Number.isFinite)) return refuse('its state holds numbers that are not finite');
  return { ...rest, state: values instanceof Real ? values : new Real(values) };
};

/**
 * @param tokens that are to be read and written
 * @throws UnfoldError `invalid_value` for a text that would grow beyond what can be counted
 */
export const expectRoom = ({ position, drawn, ending }: SessionState, tokens: number): void => {
  const left = longestText - Math.max(position, drawn, ending.time, ending.draws);
  if (tokens > left) refuse(`expected at most ${left} more tokens of its text, but received ${tokens}`);
};
