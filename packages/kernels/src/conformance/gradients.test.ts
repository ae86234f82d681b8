import { expect, test } from 'vitest';
import type { Backend, ParameterRole, RecurrentLayer, Tensor } from '../backend.ts';
import { cells, raggedLengths } from './cases.ts';
import { createTruth } from './engines.ts';
import { countOf, valuesOf } from './harness.ts';

/** Inputs by name; how a parameter's differs from a tensor's is its role. */
type Inputs = Readonly<Record<string, Tensor>>;

/** A function of the inputs, L, and its gradient by every input. */
interface Problem {
  readonly inputs: Inputs;
  loss(): Promise<number>;
  gradients(): Promise<Readonly<Record<string, Tensor>>>;
}

const step = 1e-4;

/** Compares with the central difference of fourth order, (8 (L(h) − L(−h)) − (L(2h) − L(−2h))) / 12 h. */
async function check(backend: Backend, problem: Problem): Promise<void> {
  const gradients = await problem.gradients();
  expect(Object.keys(gradients).toSorted()).toEqual(Object.keys(problem.inputs).toSorted());
  for (const [name, tensor] of Object.entries(problem.inputs)) {
    const gradient = await backend.download(gradients[name]!);
    const values = Float64Array.from(await backend.download(tensor));
    const numeric = new Float64Array(values.length);
    for (let i = 0; i < values.length; i++) {
      const center = values[i]!;
      const at = async (offset: number) => {
        values[i] = center + offset * step;
        backend.upload(tensor, values);
        return problem.loss();
      };
      const near = (await at(1)) - (await at(-1));
      const far = (await at(2)) - (await at(-2));
      numeric[i] = (8 * near - far) / (12 * step);
      values[i] = center;
    }
    backend.upload(tensor, values);
    const size = Math.max(1e-3, ...numeric.map(Math.abs));
    for (const [i, value] of numeric.entries())
      expect(Math.abs(gradient[i]! - value) / size, `${name}[${i}]`).toBeLessThan(1e-7);
  }
}

function maker(backend: Backend) {
  const fill = <K extends Tensor>(tensor: K, label: string) => {
    backend.upload(tensor, valuesOf(label, countOf(tensor.shape)));
    return tensor;
  };
  return {
    real: (label: string, shape: readonly number[]) => fill(backend.createTensor(shape), label),
    parameter: (label: string, role: ParameterRole) => fill(backend.createParameter(role), label),
    ids(values: readonly number[], shape: readonly number[]) {
      const tensor = backend.createTensor(shape, 'int');
      backend.upload(tensor, values);
      return tensor;
    },
  };
}

/** Σ a · b, the loss that gives output a the gradient b. */
async function dot(backend: Backend, pairs: readonly (readonly [Tensor, Tensor])[]): Promise<number> {
  let sum = 0;
  for (const [a, b] of pairs) {
    const [x, y] = [await backend.download(a), await backend.download(b)];
    for (let i = 0; i < x.length; i++) sum += x[i]! * y[i]!;
  }
  return sum;
}

const sizes = [
  [1, 1, 1, 1],
  [4, 3, 2, 5],
  [3, 2, 5, 3],
] as const;

const recurrentTable = cells.flatMap((cell) =>
  sizes.flatMap(([T, N, C, H]) =>
    (
      [
        ['dense', false],
        ['tokens', false],
        ['dense', true],
      ] as const
    ).map(([input, ragged]) => ({
      title: `${cell.cell} ${cell.activation ?? ''} [${T},${N},${C}] → ${H}, ${input}${ragged ? ', ragged' : ''}`,
      layer: { ...cell, inputSize: C, hiddenSize: H, input } satisfies RecurrentLayer,
      T,
      N,
      ragged,
    })),
  ),
);

test.each(recurrentTable)(
  'every gradient of $title is that of finite differences',
  async ({ layer, T, N, ragged }) => {
    const backend = createTruth();
    const make = maker(backend);
    const { inputSize: C, hiddenSize: H } = layer;
    const isLstm = layer.cell === 'lstm';
    const isDense = layer.input === 'dense';
    const parameters = {
      weightIh: make.parameter('weightIh', { use: 'weight_ih', layer }),
      weightHh: make.parameter('weightHh', { use: 'weight_hh', layer }),
      biasIh: make.parameter('biasIh', { use: 'recurrent_bias', layer }),
      biasHh: make.parameter('biasHh', { use: 'recurrent_bias', layer }),
    };
    const ids = Array.from({ length: T * N }, (_, i) => (i * 7) % C);
    const input = isDense ? make.real('x', [T, N, C]) : make.ids(ids, [T, N]);
    const h0 = make.real('h0', [N, H]);
    const c0 = isLstm ? make.real('c0', [N, H]) : null;
    const output = backend.createTensor([T, N, H]);
    const hT = backend.createTensor([N, H]);
    const cT = isLstm ? backend.createTensor([N, H]) : null;
    const dOutput = make.real('dOutput', [T, N, H]);
    const dhT = make.real('dhT', [N, H]);
    const dcT = isLstm ? make.real('dcT', [N, H]) : null;
    const lengths = ragged ? make.ids(raggedLengths(T, N), [N]) : null;
    const saved = backend.createSaved(layer, T, N);
    const forward = () =>
      backend.recurrentForward({ layer, parameters, input, h0, c0, lengths, output, hT, cT, saved });

    await check(backend, {
      inputs: { ...parameters, h0, ...(isDense && { x: input }), ...(c0 && { c0 }) },
      async loss() {
        forward();
        return dot(backend, [[output, dOutput], [hT, dhT], ...(cT && dcT ? [[cT, dcT] as const] : [])]);
      },
      async gradients() {
        forward();
        const gradients = {
          weightIh: backend.like(parameters.weightIh),
          weightHh: backend.like(parameters.weightHh),
          biasIh: backend.like(parameters.biasIh),
          biasHh: backend.like(parameters.biasHh),
        };
        const dInput = isDense ? backend.createTensor([T, N, C]) : null;
        const dh0 = backend.createTensor([N, H]);
        const dc0 = isLstm ? backend.createTensor([N, H]) : null;
        backend.recurrentBackward({
          layer,
          parameters,
          gradients,
          saved,
          dOutput,
          dhT,
          dcT,
          dInput,
          dh0,
          dc0,
        });
        return { ...gradients, h0: dh0, ...(dInput && { x: dInput }), ...(dc0 && { c0: dc0 }) };
      },
    });
  },
);

test.each(['dense', 'embedding'] as const)(
  'every gradient of a dense layer of role %s is that of finite differences',
  async (use) => {
    const backend = createTruth();
    const make = maker(backend);
    const [rows, inputs, outputs] = [5, 3, 6];
    const weight = make.parameter(
      'w',
      use === 'dense' ? { use, outputs, inputs } : { use, rows: outputs, columns: inputs },
    );
    const bias = make.parameter('b', { use: 'bias', size: outputs });
    const input = make.real('x', [rows, inputs]);
    const output = backend.createTensor([rows, outputs]);
    const dOutput = make.real('dy', [rows, outputs]);
    await check(backend, {
      inputs: { weight, bias, input },
      async loss() {
        backend.denseForward({ input, weight, bias, output });
        return dot(backend, [[output, dOutput]]);
      },
      async gradients() {
        const [dWeight, dBias, dInput] = [
          backend.like(weight),
          backend.like(bias),
          backend.createTensor([rows, inputs]),
        ];
        backend.denseBackward({ input, weight, dOutput, dInput, dWeight, dBias });
        return { weight: dWeight, bias: dBias, input: dInput };
      },
    });
  },
);

test('the gradient of an embedding is that of finite differences', async () => {
  const backend = createTruth();
  const make = maker(backend);
  const table = make.parameter('table', { use: 'embedding', rows: 4, columns: 3 });
  const tokens = make.ids([2, 0, 2, 3, 2, 0], [3, 2]);
  const output = backend.createTensor([3, 2, 3]);
  const dOutput = make.real('dy', [3, 2, 3]);
  await check(backend, {
    inputs: { table },
    async loss() {
      backend.embeddingForward({ table, tokens, output });
      return dot(backend, [[output, dOutput]]);
    },
    async gradients() {
      const dTable = backend.like(table);
      backend.embeddingBackward({ tokens, dOutput, dTable });
      return { table: dTable };
    },
  });
});

test('the gradient of softmax–cross-entropy is that of finite differences, also where targets are absent', async () => {
  const backend = createTruth();
  const make = maker(backend);
  const logits = make.real('logits', [2, 3, 5]);
  const targets = make.ids([0, -1, 4, 2, -1, 1], [2, 3]);
  const loss = backend.createTensor([1], 'double');
  const dLogits = backend.createTensor([2, 3, 5]);
  await check(backend, {
    inputs: { logits },
    async loss() {
      backend.softmaxCrossEntropy({ logits, targets, count: 4, loss, losses: null, dLogits: null });
      return (await backend.download(loss))[0]!;
    },
    async gradients() {
      backend.softmaxCrossEntropy({ logits, targets, count: 4, loss, losses: null, dLogits });
      return { logits: dLogits };
    },
  });
});

test('the gradient of dropout is that of finite differences', async () => {
  const backend = createTruth();
  const make = maker(backend);
  const input = make.real('x', [3, 2, 5]);
  const output = backend.createTensor([3, 2, 5]);
  const dOutput = make.real('dy', [3, 2, 5]);
  const key = { rate: 0.3, seed: 1, purpose: 2, step: 3, layer: 0, sequences: null };
  await check(backend, {
    inputs: { input },
    async loss() {
      backend.dropout({ input, output, ...key });
      return dot(backend, [[output, dOutput]]);
    },
    async gradients() {
      const dInput = backend.createTensor([3, 2, 5]);
      backend.dropout({ input: dOutput, output: dInput, ...key });
      return { input: dInput };
    },
  });
});
