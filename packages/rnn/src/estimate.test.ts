import { createReference } from '@unfold/kernels';
import { describe, expect, test } from 'vitest';
import { checkpointsOf, record, sentence, tensorsOf, textFile, tinySpec } from '../test-support/runs.ts';
import { countVocabulary } from './data/count-vocabulary.ts';
import { checkData } from './data/records/check-data.ts';
import { activationBytes, estimate } from './estimate.ts';
import { createGradients, createNetwork } from './model/network.ts';
import { type Port, shapeOfPlaces, textShape } from './model/network-shape.ts';
import { TeacherForcing } from './training/teacher-forcing.ts';
import { exportWeights } from './weights/export.ts';
import { inspectWeights } from './weights/inspect.ts';

describe('the estimate', () => {
  test('is exact for bytes', async () => {
    const spec = tinySpec({ text: { level: 'byte' }, training: { epochs: 3 } });
    const text = sentence.repeat(5);
    const run = await record({ spec, data: textFile(text) });
    const found = estimate(spec, { characters: text.length, bytes: text.length });
    const checkpoint = checkpointsOf(run).at(-1)!.data;
    expect(found.total_steps).toBe(run.outcome.step);
    expect(found.parameters).toBe(inspectWeights(exportWeights(checkpoint)).parameters);
    expect(found.vocabulary_size).toBe(256);
    expect(Math.abs(found.checkpoint_bytes - checkpoint.length) / checkpoint.length).toBeLessThan(0.2);
  });

  test('counts the one-hot vectors of a text that reads mixtures of them', () => {
    const size = { characters: 2000, bytes: 2000 };
    const of = (mode: string) => {
      const spec = tinySpec({ text: { level: 'byte' }, training: { teacher_forcing: { mode } } });
      const { batch_size: lanes, sequence_length: steps } = spec.training;
      return estimate(spec, size).memory_bytes - activationBytes(spec, { lanes, steps }, textShape(256));
    };
    expect(of('never') - of('always')).toBe(4 * 256 ** 2);
  });

  test('bounds a vocabulary from above', () => {
    const sizeOf = (level: string, characters: number, bytes: number, max_vocab: number | null = null) =>
      estimate(tinySpec({ text: { level, max_vocab } }), { characters, bytes }).vocabulary_size;
    expect(sizeOf('char', 1_000_000, 1_000_000)).toBe(129);
    expect(sizeOf('char', 1_000_000, 1_000_010)).toBe(139);
    expect(sizeOf('char', 1_000_000, 3_000_000, 50)).toBe(50);
    expect(sizeOf('word', 1_000_000, 1_000_000)).toBe(20_000);
  });

  const json = (records: object[]) => records.map((each) => JSON.stringify(each)).join('\n');
  const eleven = Array.from({ length: 11 }, (_, k) => k);
  const vectors = (k: number) => Array.from({ length: 2 + (k % 4) }, (_, t) => [k, t, 1]);
  const several = json(eleven.map((k) => ({ values: vectors(k) })));
  const both = { bidirectional: true, num_layers: 2, norm: 'batch' };
  type Fields = Record<string, unknown>;

  test.each<[string, Fields, string]>([
    ['columns', { task: 'forecasting' }, `a,b\n${'1,2\n3,4\n'.repeat(40)}`],
    [
      'columns, fed back',
      { task: 'forecasting', model: { recurrence: 'both' } },
      `a,b\n${'1,2\n3,4\n'.repeat(40)}`,
    ],
    ['several series', { task: 'forecasting', model: { cell: 'gru', initial_state: 'learned' } }, several],
    [
      'labels of vectors read both ways',
      { task: 'classification', model: both },
      json(eleven.map((k) => ({ input: vectors(k), label: `${k % 3}` }))),
    ],
    [
      'tags of tokens, fed back',
      { task: 'sequence_labeling', model: { cell: 'elman', recurrence: 'both', embedding_size: 3 } },
      json(eleven.map((k) => ({ input: ['a', `${k % 2}`], output: ['x', k % 2 ? 'y' : 'z'] }))),
    ],
    [
      'vectors of vectors',
      { task: 'sequence_labeling', model: { norm: 'layer', peephole: true } },
      json(eleven.map((k) => ({ input: vectors(k), output: vectors(k).map(([a, b]) => [a! + b!]) }))),
    ],
    [
      'bytes with a label',
      { task: 'conditional_generation', text: { level: 'byte' }, model: { context: { inject: 'both' } } },
      json(eleven.map((k) => ({ context: `${k % 3}`, text: 'abc' }))),
    ],
    [
      'bytes with a vector, counting down',
      {
        task: 'conditional_generation',
        text: { level: 'byte' },
        model: { length: 'countdown', max_length: 4 },
      },
      json(eleven.map((k) => ({ context: [k, 1], text: 'abc' }))),
    ],
    ['lines of bytes', { text: { level: 'byte', sequences: 'lines' } }, 'one\ntwo\nthree\nfour\n'],
  ])('is exact where every place of the network is known: %s', async (_, fields, content) => {
    const spec = tinySpec({ ...fields, training: { epochs: 2, validation_fraction: 0.2 } });
    const data = textFile(content);
    const run = await record({ spec, data });
    const summary = await checkData({ spec, data, validation: null });
    const found = estimate(spec, { characters: content.length, bytes: content.length }, summary);
    const checkpoint = checkpointsOf(run).at(-1)!.data;
    const { parameters, vocabulary_size } = inspectWeights(exportWeights(checkpoint));
    expect(found).toMatchObject({ parameters, vocabulary_size, total_steps: run.outcome.step });
    const tensors = Object.values(tensorsOf(checkpoint)).reduce((sum, bytes) => sum + bytes.length, 0);
    expect(found.checkpoint_bytes).toBeGreaterThanOrEqual(tensors + 8192);
    expect(found.checkpoint_bytes).toBeLessThan(tensors + 8192 + 12 * 300);
  });

  test.each<[string, Fields, string]>([
    ['characters', {}, `${sentence.repeat(10)}žluťoučký kůň at the end, that is held out`],
    ['words', { text: { level: 'word', lowercase: true } }, sentence.repeat(20)],
    ['lines', { text: { sequences: 'lines' } }, 'one\ntwo\nthree\nfour\nzzz\n'],
    [
      'tags of tokens',
      { task: 'sequence_labeling', text: { max_vocab: 6 } },
      json(eleven.map((k) => ({ input: ['a', `${k}`], output: ['x', k % 2 ? 'y' : 'z'] }))),
    ],
    [
      'labels of texts',
      { task: 'classification' },
      json(eleven.map((k) => ({ input: `text ${k}`, label: `${k % 3}` }))),
    ],
  ])('is exact where the vocabulary was counted: %s', async (_, fields, content) => {
    const spec = tinySpec({ ...fields, training: { epochs: 2, validation_fraction: 0.2 } });
    const data = textFile(content);
    const run = await record({ spec, data });
    const summary = await checkData({ spec, data, validation: null });
    const size = { characters: content.length, bytes: Buffer.byteLength(content) };
    const counted = await countVocabulary({ spec, data, validation: null, mostBytes: 1e6 });
    const { parameters, vocabulary_size } = inspectWeights(exportWeights(checkpointsOf(run).at(-1)!.data));
    expect(estimate(spec, size, summary).exact).toBe(false);
    expect(estimate(spec, { ...size, counted }, summary)).toMatchObject({
      exact: true,
      ...{ parameters, vocabulary_size, total_steps: run.outcome.step },
    });
  });

  const numbers: Port = { kind: 'vectors', size: 30 };
  const names: Port = { kind: 'tokens', size: 30 };
  test.each<[string, Fields, Port, Port | null]>([
    ['tags', { task: 'sequence_labeling', model: { cell: 'gru', recurrence: 'both' } }, names, names],
    [
      'numbers for numbers',
      { task: 'sequence_labeling', model: { cell: 'elman', recurrence: 'output' } },
      numbers,
      numbers,
    ],
    ['a forecast', { task: 'forecasting', model: { cell: 'gru' } }, numbers, null],
    [
      'a forecast fed back to',
      { task: 'forecasting', model: { cell: 'lstm', recurrence: 'both' } },
      numbers,
      null,
    ],
  ])(
    'counts what is kept for each time step by who is fed its own outputs: %s',
    async (_, fields, input, output) => {
      const specWith = (mode: string) => tinySpec({ ...fields, training: { teacher_forcing: { mode } } });
      /** Elements of the tensors that a pass over so many steps makes, without what layers save, and what is estimated. */
      const sizeOf = (mode: string, steps: number) => {
        const backend = createReference();
        const spec = specWith(mode);
        const shape = shapeOfPlaces(spec, { input, output, context: null, boundary: null }, 1);
        const network = createNetwork(backend, spec.model, shape);
        let made = 0;
        const counting = {
          ...backend,
          createTensor: (...call: Parameters<typeof backend.createTensor>) => {
            made += call[0].reduce((product, size) => product * size, 1);
            return backend.createTensor(...call);
          },
        };
        const feed = { longest: steps, sequences: 2 };
        const gradients = createGradients(network);
        new TeacherForcing(
          { ...network, backend: counting },
          gradients,
          feed,
          spec.training.teacher_forcing,
          steps,
        );
        return { made, estimated: activationBytes(spec, { lanes: 2, steps }, shape) / 4 };
      };
      const growth = (mode: string) => {
        const [short, long] = [sizeOf(mode, 10), sizeOf(mode, 20)];
        return { made: long.made - short.made, estimated: long.estimated - short.estimated };
      };
      const [forced, own] = [growth('always'), growth('never')];
      expect(own.made).toBeGreaterThan(forced.made);
      expect(own.estimated - forced.estimated).toBe(own.made - forced.made);
    },
  );
});
