import { describe, expect, test } from 'vitest';
import { createRandomStream, randomPurposes } from '../philox.ts';
import { loadAddon, type NativeAddon, NativeUnavailableError } from './addon.ts';

function addonIfBuilt(): NativeAddon | null {
  try {
    return loadAddon();
  } catch (error) {
    if (error instanceof NativeUnavailableError) return null;
    throw error;
  }
}
const addon = addonIfBuilt();

type Method = (...values: unknown[]) => unknown;
type Methods = Record<string, Method>;

const [T, N, C, H, V] = [3, 4, 5, 9, 7];

/**
 * A call of every method that is right, made anew each time, since a wrong call may have changed its arrays. All arrays have exactly the
 * elements that they need, in memory of the addon's own, so that AddressSanitizer sees the first byte beyond them.
 */
function rightCalls({ allocate }: NativeAddon, engine: Methods): Record<string, unknown[]> {
  const reals = (count: number) => new Float32Array(allocate(4 * count)).fill(0.5);
  const ints = (values: number[]) => {
    const array = new Int32Array(allocate(4 * values.length));
    array.set(values);
    return array;
  };
  const tokens = (count: number, bound: number) => ints(Array.from({ length: count }, (_, i) => i % bound));
  const recurrent = (cell: number, reads: boolean) => {
    const packed = (use: number, inputs: number) => engine.packedSize!(use, cell, reads, inputs, H) as number;
    const gates = engine.gateColumns!(cell, H) as number;
    const cells = engine.cellColumns!(cell, H) as number;
    const operands = [
      ...[cell, reads, T, N, C, H, reads ? tokens(T * N, C) : reals(T * N * C)],
      ...[reals(packed(0, C)), reals(engine.packedSize!(1, cell, false, H, H) as number)],
      ...[reals(packed(2, 1)), reals(packed(2, 1))],
      ...[reals(T * N * gates), reals((T + 1) * N * cells), reals(N * H)],
    ];
    const state = () => reals(N * H);
    const lengths = ints([3, 2, 0, 1]);
    const isLstm = cell === 2;
    const gateBlocks = [1, 3, 4][cell]!;
    const zoneoutCell = isLstm ? 0.2 : 0;
    const options = Float64Array.of(
      ...[3, Number(isLstm), 1, 0.1, zoneoutCell],
      ...[cell === 0 ? 0 : 0.3, Number(cell === 1), reads ? 1 : 2],
    );
    const G = gateBlocks * H;
    const columns = 2 * G + (isLstm ? H : 0);
    const extra = () => reals(engine.extraSize!(cell, T, N, H, options) as number);
    const norm = () => [extra(), reals(G), reals(G), reals(H), reals(H)];
    const injected = () => reals(T * N * gateBlocks * H);
    const peephole = () => (isLstm ? reals(3 * H) : null);
    const key = Float64Array.of(1, 1, 2, 3, 4);
    return {
      forward: [
        ...[...operands, state(), state(), reals(T * N * H), state(), state(), lengths],
        ...[options, injected(), peephole(), key, ints([5, 6, 7, 8])],
        ...[...norm(), reals(2 * columns), reals(2 * columns), reals(2), ints([0, 1, 2, 3])],
      ],
      backward: [
        ...[...operands, reals(T * N * H), reals(T * N * H), state(), state()],
        ...[reads ? null : reals(T * N * C), state(), state()],
        ...[reals(packed(0, C)), reals(engine.packedSize!(1, cell, false, H, H) as number)],
        ...[reals(packed(2, 1)), reals(packed(2, 1)), lengths],
        ...[options, injected(), peephole(), key, ints([5, 6, 7, 8]), peephole()],
        ...[...norm(), reals(G), reals(G), reals(H), reals(H)],
      ],
    };
  };
  const role = [0, 2, false, C, H];
  const packed = engine.packedSize!(...role) as number;
  const dense = engine.packedSize!(3, 0, false, C, V) as number;
  const elements = () => reals(33);
  return {
    packedSize: role,
    pack: [...role, reals(4 * H * C), reals(packed)],
    unpack: [...role, reals(packed), reals(4 * H * C)],
    gateColumns: [2, H],
    cellColumns: [2, H],
    extraSize: [2, T, N, H, Float64Array.of(0, 1, 1, 0.1, 0.1, 0, 0, 1)],
    matmul: [T, C, V, reals(T * C), reals(C * V), reals(V), reals(T * V), false, true, true],
    denseForward: [N, C, V, reals(N * C), reals(dense), false, reals(V), reals(N * V)],
    denseBackward: [
      ...[N, C, V, reals(N * C), reals(dense), false, reals(N * V)],
      ...[reals(N * C), reals(dense), reals(V)],
    ],
    embeddingForward: [N, V, C, tokens(N, V), reals(V * C), reals(N * C)],
    embeddingBackward: [N, V, C, tokens(N, V), reals(N * C), reals(V * C)],
    ...Object.fromEntries(
      [0, 1, 2].flatMap((cell) =>
        [false, true].flatMap((reads) => {
          const { forward, backward } = recurrent(cell, reads);
          return [
            [`recurrentForward/${cell}${reads}`, forward],
            [`recurrentBackward/${cell}${reads}`, backward],
          ];
        }),
      ),
    ),
    softmaxCrossEntropy: [N, V, reals(N * V), tokens(N, V), N, reals(N), reals(N * V), true],
    logSoftmax: [N, V, reals(N * V), reals(N * V)],
    dropout: [T, N, H, reals(T * N * H), reals(T * N * H), tokens(N, 100), 0.5, 1, 2, 3, 4, true],
    sgdStep: [elements(), elements(), elements(), 0.1, 0.1, 0.9, true],
    adamStep: [elements(), elements(), elements(), elements(), 0.1, 0.9, 0.99, 1e-8, 0.1, 1],
    sumOfSquares: [elements()],
    countNonFinite: [elements()],
    clip: [elements(), 0.1],
    scale: [elements(), 2],
    add: [elements(), elements(), 2],
  };
}

/** A released array of the addon's own: empty, its memory gone. */
function released({ allocate, release }: NativeAddon): Float32Array {
  const buffer = allocate(4096);
  const array = new Float32Array(buffer);
  release(buffer);
  return array;
}

function detached(): Float32Array {
  const array = new Float32Array(1024);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}

/** What a wrong caller might hand over in the place of `right`. */
function wrongValues(own: NativeAddon, right: unknown): unknown[] {
  const numbers = [-1, 0, 1, 0.5, 2 ** 24, 2 ** 30, 2 ** 31 - 1, 2 ** 31, 2 ** 53, -(2 ** 31)];
  const strange = [
    Number.NaN,
    Number.POSITIVE_INFINITY,
    1e300,
    undefined,
    null,
    true,
    'x',
    {},
    [],
    1n,
    Symbol.iterator,
  ];
  const arrays = [
    ...[new Float32Array(0), new Int32Array(0), new Float64Array(4096), new Uint8Array(4096)],
    ...[
      new DataView(new ArrayBuffer(4096)),
      new ArrayBuffer(4096),
      new Float32Array(new SharedArrayBuffer(4096)),
    ],
    ...[released(own), detached()],
  ];
  const values = [...numbers, ...strange, ...arrays];
  if (right instanceof Float32Array)
    values.push(right.subarray(1), right.subarray(0, -1), new Int32Array(right.length));
  if (right instanceof Float64Array)
    for (const value of [-1, 0.5, 4, Number.NaN, 1e300]) values.push(right.map(() => value));
  if (right instanceof Int32Array)
    for (const id of [-1, -2, 4, 100, 2 ** 31 - 1, -(2 ** 31)]) values.push(Int32Array.from(right, () => id));
  if (typeof right === 'number') values.push(right + 1, right - 1, right * 1000);
  return values;
}

/** What only takes time, as much as it is told. */
const measurements = ['ceiling', 'reading'];

/** Calls; what it throws must be an error with a text, which is all that a wrong call may do. */
function attempt(call: () => unknown): void {
  try {
    call();
  } catch (error) {
    expect(error).toBeInstanceOf(Error);
    expect((error as Error).message).not.toBe('');
  }
}

describe.skipIf(addon === null)('the native engine, at the door of the addon', () => {
  const own = addon!;
  const sets = addon?.instructionSets ?? [];
  const create = (set: string, threads = 2, bf16 = false) =>
    new own.Engine(set, threads, bf16) as unknown as Methods;

  test.each(sets)('runs every right call on %s, in float32 and in bf16', (set) => {
    for (const bf16 of [false, true]) {
      const engine = create(set, 2, bf16);
      for (const [name, values] of Object.entries(rightCalls(own, engine)))
        expect(() => engine[name.split('/')[0]!]!(...values), name).not.toThrow();
    }
  });

  test('has a right call here for each of its methods', () => {
    const methods = Object.getOwnPropertyNames(own.Engine.prototype).filter(
      (name) => !['constructor', 'instructionSet', 'dotInstruction', ...measurements].includes(name),
    );
    const called = Object.keys(rightCalls(own, create('auto'))).map((name) => name.split('/')[0]!);
    expect([...new Set(called)].toSorted()).toEqual(methods.toSorted());
  });

  test.each(sets)('throws on %s, or computes, when any one argument is wrong', (set) => {
    const engine = create(set);
    for (const [name, right] of Object.entries(rightCalls(own, engine)))
      for (const [place, value] of right.entries())
        for (const wrong of wrongValues(own, value))
          attempt(() => engine[name.split('/')[0]!]!(...right.with(place, wrong)));
  });

  test.each(sets)('throws on %s, or computes, when several arguments are wrong or missing', (set) => {
    const stream = createRandomStream({ seed: 7, purpose: randomPurposes.diagnostics });
    const pick = <A>(from: readonly A[]) => from[Math.floor(stream.uniform() * from.length)]!;
    const engine = create(set, 2, true);
    for (let round = 0; round < 40; round++) {
      for (const [name, right] of Object.entries(rightCalls(own, engine))) {
        const values = [...right];
        for (let i = 0; i < 2 + stream.uniform() * 3; i++) {
          const place = Math.floor(stream.uniform() * values.length);
          values[place] = pick(wrongValues(own, right[place]));
        }
        if (stream.uniform() < 0.2) values.length = Math.floor(stream.uniform() * values.length);
        attempt(() => engine[name.split('/')[0]!]!(...values));
      }
    }
  });

  test('throws for objects that are no engines, and for engines that cannot be', () => {
    const engine = create('auto', 1);
    for (const self of [undefined, null, {}, 1, own.Engine, own.Engine.prototype, new Float32Array(4)])
      for (const [name, values] of Object.entries(rightCalls(own, engine)))
        expect(() => engine[name.split('/')[0]!]!.call(self as never, ...values)).toThrow();
    const Engine = own.Engine as unknown as {
      new (...values: unknown[]): unknown;
      (...values: unknown[]): unknown;
    };
    for (const values of [
      [],
      ['auto'],
      ['abacus', 1, false],
      ['auto', 0, false],
      ['auto', 1e9, false],
      [1, 1, false],
    ])
      expect(() => new Engine(...values)).toThrow();
    expect(() => Engine('auto', 1, false)).toThrow();
  });

  test('says that memory is short instead of ending the process', () => {
    for (const bytes of [2 ** 45, 2 ** 50, 2 ** 53 - 1])
      expect(() => own.allocate(bytes)).toThrow('Not enough memory');
    for (const bytes of [-1, Number.NaN, 1e300, '8', null, undefined, {}])
      expect(() => own.allocate(bytes as number)).toThrow(RangeError);
  });

  test('gives memory back once only, and only its own', () => {
    const buffer = own.allocate(64);
    own.release(buffer);
    for (const value of [
      buffer,
      new ArrayBuffer(8),
      new SharedArrayBuffer(8),
      new Float32Array(4),
      null,
      undefined,
      {},
      1,
    ])
      expect(() => own.release(value as ArrayBuffer)).toThrow();
    const transferred = own.allocate(64);
    attempt(() => structuredClone(transferred, { transfer: [transferred] }));
    attempt(() => own.release(transferred));
  });
});
