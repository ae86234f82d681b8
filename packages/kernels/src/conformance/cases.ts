import type { CellKind, RecurrentLayer } from '../backend.ts';
import { randomPurposes } from '../philox.ts';
import type { KernelCase } from './kernel-case.ts';
import { rowCases } from './row-cases.ts';

/** Rows of plain shapes: 1, odd numbers, and numbers that are no multiple of a vector's width. */
const products = [
  [1, 1, 1],
  [3, 5, 7],
  [17, 33, 61],
  [64, 16, 48],
  [1, 130, 9],
] as const;

const matmulCases = products.flatMap(([M, K, P]) =>
  [0, 1, 2, 3].map((bits): KernelCase => {
    const transposeA = (bits & 1) > 0;
    const transposeB = (bits & 2) > 0;
    return {
      name: `matmul [${M},${K}]${transposeA ? 'ᵀ' : ''} · [${K},${P}]${transposeB ? 'ᵀ' : ''}`,
      tolerance: 1e-6,
      isLarge: M > 3,
      run(h) {
        const a = h.real('a', transposeA ? [K, M] : [M, K]);
        const b = h.real('b', transposeB ? [P, K] : [K, P]);
        const bias = h.real('bias', [P]);
        const output = h.empty([M, P]);
        const sum = h.real('sum', [M, P]);
        h.backend.matmul({ a, b, transposeA, transposeB, bias, output });
        h.backend.matmul({ a, b, transposeA, transposeB, output: sum, accumulate: true });
        return { output, sum };
      },
    };
  }),
);

const denseCases = products.flatMap(([N, inputs, outputs]) =>
  (['dense', 'embedding'] as const).map((use): KernelCase => {
    const role =
      use === 'dense' ? { use, outputs, inputs } : ({ use, rows: outputs, columns: inputs } as const);
    return {
      name: `${use === 'dense' ? 'dense' : 'dense (tied)'} [3,${N},${inputs}] → ${outputs}`,
      tolerance: 2e-6,
      isLarge: N > 3,
      run(h) {
        const input = h.real('input', [3, N, inputs]);
        const weight = h.parameter('weight', role);
        const bias = h.parameter('bias', { use: 'bias', size: outputs });
        const output = h.empty([3, N, outputs]);
        h.backend.denseForward({ input, weight, bias, output });
        const dOutput = h.real('dOutput', [3, N, outputs]);
        const dInput = h.empty([3, N, inputs]);
        const dWeight = h.parameter('dWeight', role);
        const dBias = h.parameter('dBias', { use: 'bias', size: outputs });
        h.backend.denseBackward({ input, weight, dOutput, dInput, dWeight, dBias });
        return { output, dInput, dWeight, dBias };
      },
    };
  }),
);

const embeddingCases = (
  [
    [1, 1, 1, 1, false],
    [5, 3, 7, 9, false],
    [5, 3, 7, 9, true],
    [40, 9, 61, 33, false],
  ] as const
).map(([T, N, V, C, transposed]): KernelCase => {
  const role = { use: 'embedding', rows: V, columns: C, transposed } as const;
  return {
    name: `embedding [${T},${N}] of ${V} × ${C}${transposed ? ', transposed' : ''}`,
    tolerance: 1e-6,
    run(h) {
      const table = h.parameter('table', role);
      const tokens = h.tokens('tokens', [T, N], V);
      const output = h.empty([T, N, C]);
      h.backend.embeddingForward({ table, tokens, output });
      const dTable = h.parameter('dTable', role);
      const dOutput = h.real('dOutput', [T, N, C]);
      h.backend.embeddingBackward({ tokens, dOutput, dTable });
      const some = h.integers(Array.from({ length: T * N }, (_, i) => (i % 3 === 1 ? -1 : (i * 5) % V)));
      const rows = h.empty([T * N, C]);
      h.backend.embeddingForward({ table, tokens: some, output: rows });
      const dSome = h.backend.like(dTable);
      const dRows = h.real('dRows', [T * N, C]);
      h.backend.embeddingBackward({ tokens: some, dOutput: dRows, dTable: dSome });
      return { output, dTable, rows, dSome };
    },
  };
});

export const cells: readonly { readonly cell: CellKind; readonly activation?: 'tanh' | 'relu' }[] = [
  { cell: 'elman', activation: 'tanh' },
  { cell: 'elman', activation: 'relu' },
  { cell: 'gru' },
  { cell: 'lstm' },
];

/** [T, N, C, H]. */
const sequences = [
  [1, 1, 1, 1],
  [5, 3, 7, 9],
  [3, 1, 17, 33],
  [9, 20, 12, 16],
] as const;

/** Lengths of a batch, neither sorted nor equal: the first has all steps, so that a NaN at the front of an input is seen; one has none. */
export function raggedLengths(T: number, N: number): number[] {
  return Array.from({ length: N }, (_, n) => (n === 0 ? T : (n * 5) % (T + 1)));
}

/** A whole training pass of one layer, every input and every gradient present. */
function recurrentCase(layer: RecurrentLayer, T: number, N: number, ragged = false): KernelCase {
  const { cell, activation, inputSize: C, hiddenSize: H, input: reads } = layer;
  return {
    name: `recurrent ${cell}${activation ? ` ${activation}` : ''} [${T},${N},${C}] → ${H}, ${reads}${ragged ? ', ragged' : ''}`,
    tolerance: 4e-6,
    toleranceBf16: 4e-3,
    isLarge: T * N > 20,
    run(h) {
      const parameters = h.recurrent('p', layer, 1 / Math.sqrt(H));
      const gradients = h.recurrent('d', layer, 0.1);
      const input = reads === 'dense' ? h.real('x', [T, N, C]) : h.tokens('x', [T, N], C);
      const isLstm = cell === 'lstm';
      const state = (label: string) => h.real(label, [N, H]);
      const h0 = state('h0');
      const c0 = isLstm ? state('c0') : null;
      const output = h.empty([T, N, H]);
      const hT = h.empty([N, H]);
      const cT = isLstm ? h.empty([N, H]) : null;
      const saved = h.backend.createSaved(layer, T + 1, N + 2);
      const lengths = ragged ? h.integers(raggedLengths(T, N)) : null;
      h.backend.recurrentForward({ layer, parameters, input, h0, c0, lengths, output, hT, cT, saved });
      const dInput = reads === 'dense' ? h.empty([T, N, C]) : null;
      const dh0 = h.empty([N, H]);
      const dc0 = isLstm ? h.empty([N, H]) : null;
      h.backend.recurrentBackward({
        layer,
        parameters,
        gradients,
        saved,
        dOutput: h.real('dOutput', [T, N, H]),
        dhT: state('dhT'),
        dcT: isLstm ? state('dcT') : null,
        dInput,
        dh0,
        dc0,
      });
      return { output, hT, cT, dInput, dh0, dc0, ...gradients };
    },
  };
}

const recurrentCases = cells.flatMap((cell) =>
  sequences.flatMap(([T, N, C, H]) =>
    (['dense', 'tokens'] as const).flatMap((input) =>
      [false, true].map((ragged) =>
        recurrentCase({ ...cell, inputSize: C, hiddenSize: H, input }, T, N, ragged),
      ),
    ),
  ),
);

const stepCases = cells.flatMap((cell) =>
  sequences.map(([, N, C, H]): KernelCase => {
    const layer: RecurrentLayer = { ...cell, inputSize: C, hiddenSize: H, input: 'dense' };
    return {
      name: `step ${cell.cell}${cell.activation ? ` ${cell.activation}` : ''} [${N},${C}] → ${H}`,
      tolerance: 2e-6,
      run(h) {
        const state = h.real('h', [N, H]);
        const c = cell.cell === 'lstm' ? h.real('c', [N, H]) : null;
        const parameters = h.recurrent('p', layer, 1 / Math.sqrt(H));
        h.backend.recurrentStep({ layer, parameters, input: h.real('x', [N, C]), h: state, c });
        return { h: state, ...(c && { c }) };
      },
    };
  }),
);

const lossCases = (
  [
    [1, 1, 1],
    [3, 5, 7],
    [9, 4, 97],
  ] as const
).map(
  ([T, N, V]): KernelCase => ({
    name: `softmax–cross-entropy and log-softmax [${T},${N},${V}]`,
    tolerance: 2e-6,
    isLarge: T * N > 20,
    run(h) {
      const logits = h.real('logits', [T, N, V], 8);
      const targets = h.tokens('targets', [T, N], V);
      const loss = h.scalar();
      const losses = h.empty([T, N]);
      const dLogits = h.empty([T, N, V]);
      h.backend.softmaxCrossEntropy({ logits, targets, count: T * N, loss, losses, dLogits });
      const output = h.empty([T, N, V]);
      h.backend.logSoftmax({ logits, output });
      return { loss, losses, dLogits, output };
    },
  }),
);

const dropoutCases = (
  [
    [1, 1, 1],
    [3, 5, 7],
    [9, 4, 33],
  ] as const
).map(
  (shape): KernelCase => ({
    name: `dropout [${shape.join(',')}]`,
    tolerance: 1e-6,
    run(h) {
      const output = h.empty(shape);
      const key = { seed: 3, purpose: randomPurposes.dropout, step: 11, layer: 1, sequences: null };
      const input = h.real('input', shape);
      h.backend.dropout({ input, output, rate: 0.4, ...key });
      const variational = h.empty(shape);
      h.backend.dropout({ input, output: variational, rate: 0.4, firstStep: 2, variational: true, ...key });
      return { output, variational };
    },
  }),
);

const optimizerCases = [1, 7, 130].flatMap((size): KernelCase[] => {
  const role = { use: 'bias', size } as const;
  const sgd = (momentum: number, nesterov: boolean): KernelCase => ({
    name: `sgd of ${size}, momentum ${momentum}${nesterov ? ' nesterov' : ''}`,
    tolerance: 1e-6,
    run(h) {
      const parameter = h.parameter('p', role);
      const gradient = h.parameter('g', role);
      const velocity = momentum > 0 ? h.parameter('v', role) : null;
      const entries = [{ parameter, gradient, velocity, weightDecay: 0.02 }];
      h.backend.sgdStep({ entries, learningRate: 0.3, momentum, nesterov });
      return { parameter, ...(velocity && { velocity }) };
    },
  });
  return [
    sgd(0, false),
    sgd(0.9, false),
    sgd(0.9, true),
    {
      name: `adam of ${size}`,
      tolerance: 1e-6,
      run(h) {
        const parameter = h.parameter('p', role);
        const gradient = h.parameter('g', role);
        const first = h.parameter('m', role);
        const second = h.parameter('v', role);
        // A second moment is a sum of squares, which random values are not.
        h.backend.scale({ tensor: second, factor: 0 });
        const entries = [{ parameter, gradient, first, second, weightDecay: 0.02 }];
        const options = { learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
        for (let step = 1; step <= 3; step++) h.backend.adamStep({ entries, step, ...options });
        return { parameter, first, second };
      },
    },
    {
      name: `norm, clips, scale and add of ${size}`,
      tolerance: 1e-6,
      run(h) {
        const a = h.real('a', [size], 3);
        const b = h.parameter('b', role, 3);
        const norm = h.scalar();
        h.backend.globalNorm({ tensors: [a, b], norm });
        h.backend.clipByNorm({ tensors: [a, b], norm, maximum: 0.5 });
        const c = h.real('c', [size], 3);
        h.backend.clipByValue({ tensors: [c], maximum: 1 });
        const d = h.real('d', [size]);
        h.backend.scale({ tensor: d, factor: 0.7 });
        h.backend.add({ source: c, target: d, factor: -0.3 });
        const e = h.empty([size]);
        h.backend.copy({ source: d, target: e });
        return { a, b, norm, c, d, e };
      },
    },
  ];
});

/** Every kernel over its shapes. */
export const kernelCases: readonly KernelCase[] = [
  ...matmulCases,
  ...denseCases,
  ...embeddingCases,
  ...recurrentCases,
  ...stepCases,
  ...lossCases,
  ...dropoutCases,
  ...optimizerCases,
  ...rowCases,
];
