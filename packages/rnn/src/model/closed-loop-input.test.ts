import { createReference, type Parameter } from '@unfold/kernels';
import { describe, expect, test } from 'vitest';
import { createRig, openData, type Rig } from '../../test-support/network-rig.ts';
import { textFile, tinySpec } from '../../test-support/runs.ts';

const T = 5;
/** One lane of one window: "ab" over and over. */
const rigOf = async (training: object, embedding_size: number | null): Promise<Rig> => {
  const spec = tinySpec({
    model: { cell: 'elman', hidden_size: 3, embedding_size },
    training: { batch_size: 1, sequence_length: T, validation_fraction: 0, ...training },
  });
  const data = await openData(spec, textFile('ababab'));
  return createRig(spec, data, createReference({ precision: 'float64' }));
};
const never = { teacher_forcing: { mode: 'never' } };

const dot = (row: number[], vector: number[]): number =>
  row.reduce((sum, value, k) => sum + value * vector[k]!, 0);

/** The mean loss of an Elman network, written out: after the first step it reads ŷ E, where E is the embedding or the identity. */
const lossOf = async ({ backend, network }: Rig, ids: number[]): Promise<number> => {
  const { encoder, recurrent, decoder } = network.parameters;
  const rows = async (parameter: Parameter): Promise<number[][]> => {
    const values = [...(await backend.download(parameter))];
    const width = parameter.shape[1] ?? 1;
    return Array.from({ length: values.length / width }, (_, k) => values.slice(k * width, (k + 1) * width));
  };
  const { weightIh, weightHh, biasIh, biasHh } = recurrent[0]!;
  const [E, U, W, b, d, V, c] = (await Promise.all(
    [encoder!, weightIh, weightHh!, biasIh, biasHh!, decoder.weight, decoder.bias].map(rows),
  )) as [number[][], number[][], number[][], number[][], number[][], number[][], number[][]];
  let h = W.map(() => 0);
  let x = E[ids[0]!]!;
  let loss = 0;
  for (let t = 0; t + 1 < ids.length; t++) {
    const before = h;
    h = U.map((row, k) => Math.tanh(dot(row, x) + b[k]![0]! + dot(W[k]!, before) + d[k]![0]!));
    const o = V.map((row, k) => Math.exp(dot(row, h) + c[k]![0]!));
    const total = o.reduce((sum, value) => sum + value, 0);
    loss -= Math.log(o[ids[t + 1]!]! / total) / (ids.length - 1);
    x = x.map((_, column) => o.reduce((sum, value, v) => sum + (value / total) * E[v]![column]!, 0));
  }
  return loss;
};

describe.each([2, null])('a text that is fed what the network answers, embedding %s', (width) => {
  test('is read as the mixture of its symbols, after the first one', async () => {
    const rig = await rigOf(never, width);
    const batch = rig.feed.load(0, 0);
    const ids = [batch.inputs[0]!, ...batch.targets];
    expect(ids).toHaveLength(T + 1);
    const expected = await lossOf(rig, ids);
    expect(await rig.train(batch)).toBeCloseTo(expected, 12);
    expect(await (await rigOf({}, width)).train(batch)).not.toBeCloseTo(expected, 3);
  });

  test('is so beyond a cut too, which changes gradients alone', async () => {
    const [whole, cut] = [await rigOf(never, width), await rigOf({ ...never, bptt: { window: 2 } }, width)];
    const batch = whole.feed.load(0, 0);
    expect(await cut.train(batch)).toBeCloseTo(await whole.train(batch), 12);
    const gradientOf = ({ backend, gradients }: Rig) =>
      backend.download((gradients.encoder ?? gradients.recurrent[0]!.weightIh)!);
    expect(await gradientOf(cut)).not.toEqual(await gradientOf(whole));
  });
});

test.each([
  { cell: 'lstm', peephole: true },
  { cell: 'gru', norm: 'batch' },
  { cell: 'elman', norm: 'layer' },
])(
  'without an embedding, what the network says by one-hot vectors is what it says by look-up, bit for bit: %o',
  async (model) => {
    const said = async (training: object) => {
      const spec = tinySpec({ model, training: { ...training, bptt: { stateful: false } } });
      const rig = createRig(spec, await openData(spec, textFile('abcab'.repeat(40))), createReference());
      expect(rig.network.layers[0]!.input).toBe('teacher_forcing' in training ? 'dense' : 'tokens');
      return rig.infer(rig.feed.load(0, 0));
    };
    expect(await said(never)).toEqual(await said({}));
  },
);
