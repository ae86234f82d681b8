import { existsSync } from 'node:fs';
import { arch, platform } from 'node:process';
import { fileURLToPath } from 'node:url';
import { EngineUnavailableError } from '../engine-unavailable-error.ts';
import type { HostArray } from '../tensors.ts';

type Reals = Float32Array;
type Optional<T> = T | null;
/** Use, cell, whether the layer reads tokens, inputs, outputs; see `roleCode`. */
export type RoleCode = readonly [use: number, cell: number, tokens: boolean, inputs: number, outputs: number];

/** The C++ engine. Its methods check what would make memory unsafe, nothing more; they run to their end at the call. */
export interface NativeEngine {
  readonly instructionSet: string;
  /** Whether the processor has products in bfloat16 and the instruction set uses them. */
  readonly dotInstruction: boolean;
  packedSize(...role: RoleCode): number;
  pack(...call: [...RoleCode, plain: Reals, packed: Reals]): void;
  unpack(...call: [...RoleCode, packed: Reals, plain: Reals]): void;
  /** Elements of saved gates and cells per step and sequence. */
  gateColumns(cell: number, hiddenSize: number): number;
  cellColumns(cell: number, hiddenSize: number): number;
  /** Elements of what layers with a norm or a reset before the product keep besides. */
  extraSize(cell: number, T: number, N: number, hiddenSize: number, options: Optional<Float64Array>): number;
  matmul(
    ...call: [
      M: number,
      K: number,
      P: number,
      a: Reals,
      b: Reals,
      bias: Optional<Reals>,
      output: Reals,
      transposeA: boolean,
      transposeB: boolean,
      accumulate: boolean,
    ]
  ): void;
  denseForward(
    ...call: [
      rows: number,
      inputs: number,
      outputs: number,
      input: Reals,
      weight: Reals,
      plain: boolean,
      bias: Optional<Reals>,
      output: Reals,
    ]
  ): void;
  denseBackward(
    ...call: [
      rows: number,
      inputs: number,
      outputs: number,
      input: Reals,
      weight: Reals,
      plain: boolean,
      dOutput: Reals,
      dInput: Optional<Reals>,
      dWeight: Optional<Reals>,
      dBias: Optional<Reals>,
    ]
  ): void;
  embeddingForward(
    ...call: [rows: number, V: number, C: number, tokens: Int32Array, table: Reals, output: Reals]
  ): void;
  embeddingBackward(
    ...call: [rows: number, V: number, C: number, tokens: Int32Array, dOutput: Reals, dTable: Reals]
  ): void;
  recurrentForward(
    ...call: [
      ...RecurrentOperands,
      ...SavedArrays<Optional<Reals>>,
      h0: Optional<Reals>,
      c0: Optional<Reals>,
      output: Optional<Reals>,
      hT: Optional<Reals>,
      cT: Optional<Reals>,
      lengths: Optional<Int32Array>,
      options: Optional<Float64Array>,
      injected: Optional<Reals>,
      peephole: Optional<Reals>,
      ...key: MaskKey,
      ...norm: NormOperands,
      mean: Optional<Reals>,
      variance: Optional<Reals>,
      batches: Optional<Reals>,
      positions: Optional<Int32Array>,
    ]
  ): void;
  recurrentBackward(
    ...call: [
      ...RecurrentOperands,
      ...SavedArrays<Reals>,
      output: Reals,
      dOutput: Optional<Reals>,
      dhT: Optional<Reals>,
      dcT: Optional<Reals>,
      dInput: Optional<Reals>,
      dh0: Optional<Reals>,
      dc0: Optional<Reals>,
      dWeightIh: Optional<Reals>,
      dWeightHh: Optional<Reals>,
      dBiasIh: Optional<Reals>,
      dBiasHh: Optional<Reals>,
      lengths: Optional<Int32Array>,
      options: Optional<Float64Array>,
      dInjected: Optional<Reals>,
      peephole: Optional<Reals>,
      ...key: MaskKey,
      dPeephole: Optional<Reals>,
      ...norm: NormOperands,
      dGainIh: Optional<Reals>,
      dGainHh: Optional<Reals>,
      dGainCell: Optional<Reals>,
      dBiasCell: Optional<Reals>,
    ]
  ): void;
  /** The summed loss and the number of hits. */
  softmaxCrossEntropy(
    ...call: [
      rows: number,
      V: number,
      logits: Reals,
      targets: Int32Array,
      count: number,
      losses: Optional<Reals>,
      dLogits: Optional<Reals>,
      countCorrect: boolean,
    ]
  ): [loss: number, correct: number];
  logSoftmax(rows: number, V: number, logits: Reals, output: Reals): void;
  dropout(
    ...call: [
      T: number,
      N: number,
      H: number,
      input: Reals,
      output: Reals,
      sequences: Optional<Int32Array>,
      rate: number,
      seed: number,
      purposeWord: number,
      step: number,
      firstStep: number,
      variational: boolean,
    ]
  ): void;
  sgdStep(
    ...call: [
      parameter: Reals,
      gradient: Reals,
      velocity: Optional<Reals>,
      weightDecay: number,
      learningRate: number,
      momentum: number,
      nesterov: boolean,
    ]
  ): void;
  adamStep(
    ...call: [
      parameter: Reals,
      gradient: Reals,
      first: Reals,
      second: Reals,
      weightDecay: number,
      beta1: number,
      beta2: number,
      epsilon: number,
      rate: number,
      inverseRoot: number,
    ]
  ): void;
  sumOfSquares(x: Reals): number;
  countNonFinite(x: Reals): number;
  clip(x: Reals, maximum: number): void;
  scale(x: Reals, factor: number): void;
  add(source: Reals, target: Reals, factor: number): void;
  /** Runs multiply-adds from registers on all threads and returns how many: the ceiling of a benchmark. */
  ceiling(repetitions: number): number;
  /** Reads `count` floats of scratch memory `passes` times on the caller's thread; their sum is of no use. */
  reading(count: number, passes: number): number;
}

export type RecurrentOperands = [
  cell: number,
  tokens: boolean,
  T: number,
  N: number,
  C: number,
  H: number,
  input: Reals | Int32Array,
  weightIh: Reals,
  weightHh: Reals,
  biasIh: Reals,
  biasHh: Reals,
];

/** Gains and biases of normalised layers, and what layers with a norm or a reset before the product keep. */
export type NormOperands = [
  extra: Optional<Reals>,
  gainIh: Reals,
  gainHh: Reals,
  gainCell: Reals,
  biasCell: Reals,
];

/** Where masks are drawn: [whether this is training, seed, step, layer, firstStep], null for the first step at inference; and the sequences of its rows. */
export type MaskKey = [place: Optional<Float64Array>, sequences: Optional<Int32Array>];

export type SavedArrays<T> = [gates: T, cells: T, first: T];

export interface NativeAddon {
  readonly Engine: new (instructionSet: string, threads: number, bf16: boolean) => NativeEngine;
  /** What this machine can run, the fastest first. */
  readonly instructionSets: readonly string[];
  /** A zeroed buffer at a 64-byte boundary. */
  allocate(bytes: number): ArrayBuffer;
  /** Frees a buffer of `allocate` now; arrays over it become empty. */
  release(buffer: HostArray['buffer']): void;
}

/** The addon is not there or cannot be loaded. The message names the remedy. */
export class NativeUnavailableError extends EngineUnavailableError {
  readonly code = 'engine_unavailable';

  constructor(reason: string, cause?: unknown) {
    super(`The native engine is not available: ${reason}`, {
      remedy:
        "With a C++ compiler (g++ or clang++ and make) and Node's headers installed, " +
        '`npm rebuild @unfold/kernels --foreground-scripts` builds it.',
      ...(cause !== undefined && { cause }),
    });
    this.name = 'NativeUnavailableError';
  }
}

const root = new URL('../../', import.meta.url);

/**
 * Where the addon may be: built here, or packed beforehand (`npm run pack-native`) for this platform and one of Linux's C libraries.
 * UNFOLD_TEST_NATIVE_ADDON names another, or none.
 */
function candidates(): string[] {
  const named = process.env.UNFOLD_TEST_NATIVE_ADDON;
  const packed = ['', '-glibc', '-musl'].map((library) => `prebuilds/${platform}-${arch}${library}`);
  const folders = ['build/Release', ...packed].map((folder) => `${folder}/unfold_kernels.node`);
  return named ? [named] : folders.map((path) => fileURLToPath(new URL(path, root)));
}

/** This thread's, by path. */
const loaded = new Map<string, NativeAddon>();

/**
 * Not `require`, which looks for the file first: what any thread of this process has loaded needs no file any more, so that a thread
 * started later finds the engine that its process began with.
 */
function load(path: string): NativeAddon {
  const known = loaded.get(path);
  if (known !== undefined) return known;
  const module = { exports: {} };
  process.dlopen(module, path);
  const addon = module.exports as NativeAddon;
  loaded.set(path, addon);
  return addon;
}

/** Loads the addon. Throws a `NativeUnavailableError` where that fails. */
export function loadAddon(): NativeAddon {
  let failure: unknown;
  for (const path of candidates()) {
    try {
      return load(path);
    } catch (error) {
      if (existsSync(path)) failure ??= error;
    }
  }
  if (failure === undefined) throw new NativeUnavailableError('it was not built at installation.');
  throw new NativeUnavailableError('it was built but cannot be loaded.', failure);
}
