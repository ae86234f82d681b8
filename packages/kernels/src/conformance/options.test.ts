import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Backend, RecurrentLayer, Tensor } from '../backend.ts';
import { gateRows } from '../roles.ts';
import { createTruths, engines } from './engines.ts';
import { Harness, namesWithNaN, releasable, valuesOf } from './harness.ts';
import { type OptionCell, optionCells, optionPass, type Sizes } from './option-cells.ts';

const layerOf = ({ options }: OptionCell, C: number, H: number): RecurrentLayer => ({
  ...options,
  inputSize: C,
  hiddenSize: H,
  input: 'dense',
});

const sizes: readonly Sizes[] = [
  [1, 1, 1, 1],
  [5, 3, 7, 9],
  [4, 12, 5, 16],
];
const [T, N, C, H] = [7, 3, 5, 19];

async function resultsOn(backend: Backend, cell: OptionCell, shape: Sizes, poison: string | null = null) {
  const h = new Harness(backend, poison);
  const pass = optionPass(h, cell, shape, 'dense', { size: 1 / Math.sqrt(shape[3]) });
  pass.forward();
  const outputs = h.read(pass.outputs);
  const gradients = h.read(pass.backward());
  return { outputs: { ...(await outputs), ...(await gradients) }, labels: h.labels };
}

/** Of one row, batch normalisation leaves only rounding errors. */
const shapesOf = ({ options, training }: OptionCell): Sizes[] =>
  sizes.filter(([, rows]) => !(options.norm === 'batch' && training && rows === 1));

const truthOf = createTruths(async (truth, cell: OptionCell) => {
  const expected = [];
  for (const shape of shapesOf(cell)) expected.push((await resultsOn(truth, cell, shape)).outputs);
  return expected;
});

describe.each(engines)('$name', (engine) => {
  let opened: Backend;
  let backend: Backend;
  let release: () => void;
  const bitTest = test.skipIf(engine.hasRowBits === false);
  // In bf16 a value computed on the way may fall to the other side of a rounding, which normalisation of few rows makes larger.
  const tolerance = engine.precision === 'bf16' ? 2e-2 : 1e-5;
  beforeAll(async () => {
    opened = await engine.create();
    ({ backend, release } = releasable(opened));
  });
  afterEach(() => release());
  afterAll(() => opened.close());

  describe.each(optionCells)('$title', (cell) => {
    test('agrees with the truth', async () => {
      const expected = await truthOf(engine.precision, cell);
      for (const [place, shape] of shapesOf(cell).entries()) {
        if (engine.isSlow && shape !== sizes[1]) continue;
        const { outputs } = await resultsOn(backend, cell, shape);
        for (const [name, values] of Object.entries(expected[place]!)) {
          // Inputs are of order 1: a result far below is what terms of that order leave of each other, and has their rounding errors.
          const size = Math.max(1e-2, ...values.map(Math.abs));
          const worst = Math.max(0, ...values.map((value, i) => Math.abs(value - outputs[name]![i]!)));
          expect(outputs[name], name).toHaveLength(values.length);
          expect(worst / size, name).toBeLessThanOrEqual(tolerance);
        }
      }
    });

    test('NaN in any input comes out', async () => {
      const shape: Sizes = engine.isSlow ? [2, 3, 2, 3] : [3, 3, 2, 4];
      const { outputs, labels } = await resultsOn(backend, cell, shape);
      expect(namesWithNaN(outputs)).toEqual([]);
      // Where calls are slow a cell shows some of its inputs, and others show the rest: all go the same way from where they are added up.
      const turn = optionCells.indexOf(cell);
      const shown = labels.filter((_, place) => !engine.isSlow || (place + turn) % 3 === 0);
      const sick = await Promise.all(shown.map((label) => resultsOn(backend, cell, shape, label)));
      for (const [place, { outputs: poisoned }] of sick.entries())
        expect(namesWithNaN(poisoned), shown[place]).not.toEqual([]);
    });

    /** Inputs and states of the rows given, taken from one batch of N, and the pass over some of its steps. */
    function rowsOf(rows: readonly number[]) {
      const layer = layerOf(cell, C, H);
      const h = new Harness(backend);
      const parameters = h.recurrent('p', layer);
      const statistics = h.statistics('running', layer);
      const sequences = backend.createTensor([rows.length], 'int');
      backend.upload(
        sequences,
        rows.map((row) => 5 * row + 1),
      );
      const training = cell.training ? { seed: 3, step: 9, layer: 2, sequences } : null;
      const pick = (label: string, width: number, steps: number): Tensor => {
        const all = valuesOf(label, steps * N * width);
        const tensor = backend.createTensor(steps === 1 ? [rows.length, width] : [steps, rows.length, width]);
        const values = Array.from({ length: steps }, (_, t) =>
          rows.map((row) => [...all.subarray((t * N + row) * width, (t * N + row + 1) * width)]),
        );
        backend.upload(tensor, values.flat(2));
        return tensor;
      };
      const hasStates = layer.recurrent !== false;
      const isLstm = layer.cell === 'lstm';
      return {
        layer,
        parameters,
        statistics,
        training,
        x: pick('x', C, T),
        injected: pick('injected', gateRows(layer), T),
        state: hasStates ? pick('h', H, 1) : null,
        cells: isLstm ? pick('c', H, 1) : null,
        output: h.empty([T, rows.length, H]),
        dOutput: pick('dOutput', H, T),
        dState: hasStates ? pick('dh', H, 1) : null,
        dCells: isLstm ? pick('dc', H, 1) : null,
        dInput: h.empty([T, rows.length, C]),
      };
    }

    function lengthsOf(values: readonly number[]): Tensor {
      const tensor = backend.createTensor([values.length], 'int');
      backend.upload(tensor, values);
      return tensor;
    }

    /** Forward over chunks of so many steps with the states handed on, then backward over them; `ragged`: steps of each sequence. */
    async function chunked(
      rows: readonly number[],
      lengths: readonly number[],
      ragged: readonly number[] | null = null,
    ) {
      const r = rowsOf(rows);
      const { layer, parameters, statistics, training } = r;
      let at = 0;
      const chunks = lengths.map((length) => {
        const first = at;
        at += length;
        return { first, length, saved: backend.createSaved(layer, length, rows.length) };
      });
      for (const { first, length, saved } of chunks)
        backend.recurrentForward({
          layer,
          parameters,
          statistics,
          training,
          firstStep: first,
          input: backend.view(r.x, first, length),
          injected: backend.view(r.injected, first, length),
          h0: r.state,
          c0: r.cells,
          lengths: ragged && lengthsOf(ragged.map((steps) => Math.min(length, Math.max(0, steps - first)))),
          output: backend.view(r.output, first, length),
          hT: r.state,
          cT: r.cells,
          saved,
        });
      const none = { weightIh: null, biasIh: null, weightHh: null, biasHh: null };
      for (const { first, length, saved } of chunks.toReversed())
        backend.recurrentBackward({
          layer,
          parameters,
          gradients: none,
          saved,
          dOutput: backend.view(r.dOutput, first, length),
          dhT: r.dState,
          dcT: r.dCells,
          dInput: backend.view(r.dInput, first, length),
          dh0: r.dState,
          dc0: r.dCells,
        });
      const outputs = { output: r.output, h: r.state, c: r.cells, dInput: r.dInput, dh0: r.dState };
      return new Harness(backend).read(outputs);
    }

    bitTest('chunks give the bits of the whole sequence, forward and back', async () => {
      const rows = [0, 1, 2];
      const cuts = [[T], [2, 1, 4], ...(engine.isSlow ? [] : [[1, 1, 1, 1, 1, 1, 1]])];
      const [whole, ...parts] = await Promise.all(cuts.map((lengths) => chunked(rows, lengths)));
      for (const part of parts) expect(part).toEqual(whole);
    });

    /** Expects of each row of `together`, whose order is `rows`, what it has alone; `steps` says how many it has. */
    async function expectRowsAlone(
      rows: readonly number[],
      steps: readonly number[],
      together: Readonly<Record<string, number[]>>,
    ) {
      const some = rows.slice(0, engine.isSlow ? 1 : rows.length);
      const each = await Promise.all(some.map((row, place) => chunked([row], [steps[place]!])));
      for (const [place, row] of some.entries()) {
        const alone = each[place]!;
        for (const [name, values] of Object.entries(alone)) {
          const count = name === 'output' || name === 'dInput' ? T : 1;
          const width = values.length / count;
          for (let t = 0; t < count; t++)
            expect(
              together[name]!.slice((t * 3 + place) * width, (t * 3 + place + 1) * width),
              `${name} of row ${row} at ${t}`,
            ).toEqual(values.slice(t * width, (t + 1) * width));
        }
      }
    }

    const dependsOnBatch = cell.options.norm === 'batch' && cell.training;
    if (!dependsOnBatch) {
      bitTest('a row has the same bits alone, among others and in any order', async () => {
        const rows = [2, 0, 1];
        await expectRowsAlone(rows, [T, T, T], await chunked(rows, [T]));
      });

      bitTest('sequences of unequal length have the bits that each has alone, also in chunks', async () => {
        const [rows, steps] = [
          [1, 0, 2],
          [4, T, 2],
        ] as const;
        const [together, inChunks] = await Promise.all([
          chunked(rows, [T], steps),
          chunked(rows, [3, 4], steps),
        ]);
        await expectRowsAlone(rows, steps, together);
        expect(inChunks).toEqual(together);
      });
    }

    if (!cell.training)
      bitTest('single steps give the bits of the whole sequence', async () => {
        const r = rowsOf([0, 1, 2]);
        const { layer, parameters, statistics } = r;
        const whole = await chunked([0, 1, 2], [T]);
        const h = r.state ?? backend.createTensor([N, H]);
        const [x, injected] = await Promise.all([backend.download(r.x), backend.download(r.injected)]);
        const states: Promise<ArrayLike<number>>[] = [];
        const G = gateRows(layer);
        for (let t = 0; t < T; t++) {
          const [input, extra] = [backend.createTensor([N, C]), backend.createTensor([N, G])];
          backend.upload(input, x.slice(t * N * C, (t + 1) * N * C));
          backend.upload(extra, injected.slice(t * N * G, (t + 1) * N * G));
          const positions = backend.createTensor([N], 'int');
          backend.upload(positions, new Int32Array(N).fill(t));
          const call = { layer, parameters, statistics, positions, input, injected: extra };
          backend.recurrentStep({ ...call, h, c: r.cells });
          states.push(backend.download(h));
        }
        for (const [t, state] of (await Promise.all(states)).entries())
          expect(Array.from(state), `step ${t}`).toEqual(whole.output!.slice(t * N * H, (t + 1) * N * H));
      });
  });
});
