import { type Backend, createRandomStream, createReference, type Tensor } from '@unfold/kernels';
import { describe, expect, test } from 'vitest';
import {
  checkpointsOf,
  record,
  scratchFolder,
  sentence,
  tensorsOf,
  textFile,
  tinySpec,
} from '../../../test-support/runs.ts';
import type { HostBatch } from '../../data/feed.ts';
import { orthogonalMatrix } from '../../model/initialize.ts';
import { createNetwork, initializeNetwork, type Network, upload } from '../../model/network.ts';
import { textShape } from '../../model/network-shape.ts';
import type { TrainingEvent } from '../events.ts';
import { diagnose } from './diagnose.ts';
import { gradientsThroughTime } from './gradients-through-time.ts';
import { spectralRadius } from './spectral-radius.ts';

const double = (): Backend => createReference({ precision: 'float64' });

const networkOf = (model: Record<string, unknown>, backend = double()): Network => {
  const network = createNetwork(backend, tinySpec({ model }).model, textShape(7));
  initializeNetwork(network, 3);
  return network;
};

const set = (network: Network, name: string, change: (values: Float64Array) => void): Promise<void> => {
  const parameter = network.parameters.all[network.table.findIndex((entry) => entry.name === name)]!;
  return network.backend.download(parameter).then((values) => {
    const copy = Float64Array.from(values);
    change(copy);
    upload(network.backend, parameter, copy);
  });
};

const tokens = ({ backend }: Network, T: number, N: number): { inputs: Tensor; targets: Tensor } => {
  const inputs = backend.createTensor([T, N], 'int');
  const targets = backend.createTensor([1, N], 'int');
  backend.upload(
    inputs,
    Int32Array.from({ length: T * N }, (_, k) => (k * k) % 7),
  );
  backend.upload(
    targets,
    Int32Array.from({ length: N }, (_, k) => (3 * k) % 7),
  );
  return { inputs, targets };
};

describe('gradients through time', () => {
  test.each([0.5, 0.9, 1.1])(
    'of an Elman net with W = %d Q at zero states decay at exactly that per step',
    async (rho) => {
      const H = 12;
      const network = networkOf({ cell: 'elman', hidden_size: H });
      const q = orthogonalMatrix(H, createRandomStream({ seed: 1, purpose: 1 }));
      await set(network, 'rnn.weight_hh_l0', (values) => values.set(q.map((value) => rho * value)));
      await set(network, 'rnn.weight_ih_l0', (values) => values.fill(0));
      const { inputs, targets } = tokens(network, 30, 3);
      const [layer] = await gradientsThroughTime(network, { inputs, targets, sources: {} });
      expect(layer!.c).toBeNull();
      expect(layer!.h.length).toBe(30);
      layer!.h.forEach((value, lag) => {
        expect(value / layer!.h[0]!).toBeCloseTo(rho ** lag, 10);
      });
    },
  );

  test('of an LSTM with forget bias 20 and no recurrent weights are flat in c', async () => {
    const H = 6;
    const network = networkOf({ cell: 'lstm', hidden_size: H });
    await set(network, 'rnn.weight_hh_l0', (values) => values.fill(0));
    await set(network, 'rnn.weight_ih_l0', (values) => values.fill(0, H * 7, 2 * H * 7));
    await set(network, 'rnn.bias_ih_l0', (values) => values.fill(20, H, 2 * H));
    const { inputs, targets } = tokens(network, 40, 2);
    const [layer] = await gradientsThroughTime(network, { inputs, targets, sources: {} });
    expect(layer!.c![0]).toBeGreaterThan(1e-3);
    for (const value of layer!.c!) expect(value / layer!.c![0]!).toBeCloseTo(1, 6);
    // Nothing flows through h itself.
    expect(layer!.h.slice(1).every((value) => value === 0)).toBe(true);
  });

  test.each([
    ['elman', {}],
    ['gru', {}],
    ['lstm', {}],
    ['lstm', { embedding_size: 3 }],
  ])('are those of finite differences of a disturbed state, in every layer: %s %j', async (cell, more) => {
    const network = networkOf({ cell, hidden_size: 4, num_layers: 2, ...more });
    const T = 5;
    const { inputs, targets } = tokens(network, T, 1);
    const found = await gradientsThroughTime(network, { inputs, targets, sources: {} });
    const { backend, layers, parameters } = network;

    /** The loss of the last step when unit `unit` of layer `at`'s state is moved by ε after step `after`. */
    const lossOf = async (at: number, state: 'h' | 'c', after: number, unit: number, epsilon: number) => {
      const zero = (): Float64Array => new Float64Array(4);
      const h = layers.map(zero);
      const c = layers.map(zero);
      const tensor = (values: Float64Array, shape: number[]): Tensor => {
        const made = backend.createTensor(shape);
        backend.upload(made, values);
        return made;
      };
      let below: Tensor = inputs;
      for (let t = 0; t < T; t++) {
        below = backend.view(inputs, t, 1);
        if (parameters.encoder) {
          const output = backend.createTensor([1, 1, 3]);
          backend.embeddingForward({ table: parameters.encoder, tokens: below, output });
          below = output;
        }
        for (const [k, layer] of layers.entries()) {
          const lstm = layer.cell === 'lstm';
          const output = backend.createTensor([1, 1, 4]);
          const [hT, cT] = [backend.createTensor([1, 4]), lstm ? backend.createTensor([1, 4]) : null];
          const h0 = tensor(h[k]!, [1, 4]);
          const call = {
            layer,
            parameters: parameters.recurrent[k]!,
            input: below,
            output,
            hT,
            cT,
            saved: null,
          };
          backend.recurrentForward({ ...call, h0, c0: lstm ? tensor(c[k]!, [1, 4]) : null });
          h[k] = Float64Array.from(await backend.download(hT));
          if (cT) c[k] = Float64Array.from(await backend.download(cT));
          if (k === at && t === after) {
            if (state === 'h') h[k]![unit]! += epsilon;
            else {
              // What c becomes shows in h at once: h = o tanh(c).
              const gate = h[k]![unit]! / Math.tanh(c[k]![unit]!);
              c[k]![unit]! += epsilon;
              h[k]![unit] = gate * Math.tanh(c[k]![unit]!);
            }
          }
          below = tensor(h[k]!, [1, 1, 4]);
        }
      }
      const logits = backend.createTensor([1, 1, 7]);
      const loss = backend.createTensor([1], 'double');
      backend.denseForward({ input: below, ...parameters.decoder, output: logits });
      backend.softmaxCrossEntropy({ logits, targets, count: 1, loss, losses: null, dLogits: null });
      return (await backend.download(loss))[0]!;
    };

    const epsilon = 1e-5;
    for (let at = 0; at < 2; at++)
      for (const state of cell === 'lstm' ? (['h', 'c'] as const) : (['h'] as const))
        for (const lag of [0, 1, 3]) {
          let sum = 0;
          for (let unit = 0; unit < 4; unit++) {
            const slope =
              (await lossOf(at, state, T - 1 - lag, unit, epsilon)) -
              (await lossOf(at, state, T - 1 - lag, unit, -epsilon));
            sum += (slope / (2 * epsilon)) ** 2;
          }
          const norm = found[at]![state]![lag]!;
          expect(Math.abs(norm - Math.sqrt(sum)) / norm, `${state} of layer ${at}, lag ${lag}`).toBeLessThan(
            1e-6,
          );
        }
  });
});

describe('the spectral radius', () => {
  test.each<[string, number[], number, number]>([
    ['a rotation, whose eigenvalues are a complex pair', [0.6, -0.6, 0.6, 0.6], 2, 0.6 * Math.SQRT2],
    ['eigenvalues of one modulus', [0.9, 0, 0, -0.9], 2, 0.9],
    ['a matrix far from normal', [0.5, 100, 0, 0.4], 2, 0.5],
    ['a nilpotent matrix', [0, 1, 0, 0], 2, 0],
    ['a large one', [3e8, 0, 0, 1], 2, 3e8],
  ])('is right for %s', async (_, values, size, expected) => {
    const found = await spectralRadius(double(), Float64Array.from(values), size);
    expect(Math.abs(found! - expected)).toBeLessThanOrEqual(2e-5 * expected);
  });

  test('of an orthogonal matrix is 1, also in single precision', async () => {
    const q = orthogonalMatrix(40, createRandomStream({ seed: 2, purpose: 1 }));
    expect(await spectralRadius(createReference(), q, 40)).toBeCloseTo(1, 5);
  });

  test('of what is no number is null', async () => {
    expect(await spectralRadius(double(), Float64Array.of(Number.NaN, 0, 0, 1), 2)).toBeNull();
  });
});

test('saturation tells open from shut gates', async () => {
  const H = 6;
  const network = networkOf({ cell: 'lstm', hidden_size: H, num_layers: 2 });
  for (const layer of [0, 1]) {
    await set(network, `rnn.weight_hh_l${layer}`, (values) => values.fill(0));
    await set(network, `rnn.weight_ih_l${layer}`, (values) => values.fill(0));
    await set(network, `rnn.bias_ih_l${layer}`, (values) => {
      values.fill(-5, 0, H);
      values.fill(5, H, 2 * H);
      values.fill(0, 2 * H, 3 * H);
      values.fill(5, 3 * H, 3 * H + 3);
      values.fill(0, 3 * H + 3);
    });
  }
  const batch: HostBatch = {
    inputs: new Int32Array(20),
    targets: new Int32Array(20),
    steps: 10,
    lengths: null,
    sequences: null,
    mask: null,
    count: 20,
    context: null,
    tokens: 20,
  };
  const found = await diagnose(network, batch, 2);
  const { data } = found.find(({ name }) => name === 'saturation')!;
  const gates = {
    i: { low: 1, high: 0 },
    f: { low: 0, high: 1 },
    g: { low: 0, high: 0 },
    o: { low: 0, high: 0.5 },
  };
  expect(data).toEqual({
    layers: [
      { layer: 0, gates },
      { layer: 1, gates },
    ],
  });
});

describe('diagnostics_every', () => {
  const fields = {
    model: { cell: 'lstm', num_layers: 2, dropout: 0.2 },
    training: { max_steps: 9, checkpoint_every: 1, evaluate_every: 4, log_every: 3 },
  };
  const data = textFile(sentence.repeat(3));
  const diagnosed = { ...fields, training: { ...fields.training, diagnostics_every: 3 } };
  const diagnosticsOf = (events: TrainingEvent[]) => events.filter(({ type }) => type === 'diagnostic');

  test('tells four things every so many steps, all of them finite', async () => {
    const { events } = await record({ spec: tinySpec(diagnosed), data });
    const found = events.filter((event) => event.type === 'diagnostic');
    const names = ['gradients_through_time', 'spectral_radius', 'saturation', 'gradient_norms'];
    expect(found.map(({ step, name }) => `${step} ${name}`)).toEqual(
      [3, 6, 9].flatMap((step) => names.map((name) => `${step} ${name}`)),
    );
    expect(JSON.stringify(found)).not.toContain('null,');
    const norms = (found[3]!.data as { parameters: Record<string, number> }).parameters;
    const total = Math.sqrt(Object.values(norms).reduce((sum, norm) => sum + norm * norm, 0));
    expect(total).toBeGreaterThan(0);
  });

  test('never disturbs the training', async () => {
    const last = async (spec: ReturnType<typeof tinySpec>) =>
      tensorsOf(checkpointsOf(await record({ spec, data })).at(-1)!.data);
    expect(await last(tinySpec(diagnosed))).toEqual(await last(tinySpec(fields)));
  });

  test('tells each of them once when the run is stopped after every step', async () => {
    const spec = tinySpec({ ...diagnosed, training: { ...diagnosed.training, log_every: 1 } });
    const whole = await record({ spec, data });
    const scratch = scratchFolder();
    const control = (events: TrainingEvent[]) =>
      events.some(({ type }) => type === 'metric') ? ('stop' as const) : ('continue' as const);
    let part = await record({ spec, data, scratch, control });
    const events = [...part.events];
    while (part.outcome.type === 'stopped') {
      const resume = checkpointsOf(part).at(-1)!.data;
      part = await record({ spec, data, scratch, control, resume });
      events.push(...part.events);
    }
    expect(diagnosticsOf(events)).toEqual(diagnosticsOf(whole.events));
  });

  test('are not told again when the evaluation of their step was interrupted', async () => {
    const spec = tinySpec({ ...diagnosed, training: { ...diagnosed.training, evaluate_every: 3 } });
    const whole = await record({ spec, data });
    const scratch = scratchFolder();
    // The first question after a diagnostic is asked within the evaluation.
    const control = (events: TrainingEvent[]) =>
      events.some(({ type }) => type === 'diagnostic') ? ('stop' as const) : ('continue' as const);
    const part = await record({ spec, data, scratch, control });
    const resume = checkpointsOf(part).at(-1)!;
    expect(part.outcome).toEqual({ type: 'stopped', step: 3 });
    const rest = await record({ spec, data, scratch, resume: resume.data });
    expect(diagnosticsOf([...part.events, ...rest.events])).toEqual(diagnosticsOf(whole.events));
  });
});
