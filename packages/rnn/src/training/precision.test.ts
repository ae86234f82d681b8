import { createReference } from '@unfold/kernels';
import { expect, test } from 'vitest';
import {
  checkpointsOf,
  logsOf,
  metricsOf,
  record,
  sentence,
  textFile,
  tinySpec,
} from '../../test-support/runs.ts';
import { exportWeights } from '../weights/export.ts';
import { readHeader } from '../weights/safetensors.ts';
import { readCheckpoint } from './checkpoint.ts';

const training = { precision: 'bf16', epochs: 3, checkpoint_every: 4, log_every: 1 };
const spec = tinySpec({ model: { cell: 'lstm', num_layers: 2, embedding_size: 5 }, training });
const bf16 = () => createReference({ precision: 'bf16' });

test('a run in bf16 says once that it is emulated, learns as float32 does, and keeps float32 weights', async () => {
  const data = textFile(sentence.repeat(3));
  const run = await record({ spec, data, backend: bf16() });
  expect(
    logsOf(run).filter((message) => message.includes('no instruction for products in bf16')),
  ).toHaveLength(1);
  const full = await record({
    spec: tinySpec({ ...spec, training: { ...training, precision: 'fp32' } }),
    data,
  });
  expect(logsOf(full).join()).not.toContain('bf16');
  const losses = [run, full].map((each) => metricsOf(each).flatMap(({ values }) => values.loss ?? []));
  expect(losses[0]).not.toEqual(losses[1]);
  for (const [i, loss] of losses[0]!.entries()) expect(loss / losses[1]![i]!).toBeCloseTo(1, 2);
  const { data: last } = checkpointsOf(run).at(-1)!;
  expect(readCheckpoint(last).record.engine).toBe('reference-bf16');
  const { tensors } = readHeader(exportWeights(last));
  expect(new Set([...tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(['F32']));
});

test('a run in bf16 that goes on from a checkpoint ends with the same bits', async () => {
  const data = textFile(sentence.repeat(3));
  const whole = await record({ spec, data, backend: bf16() });
  const first = checkpointsOf(whole)[0]!;
  const rest = await record({ spec, data, backend: bf16(), resume: first.data });
  expect(exportWeights(checkpointsOf(rest).at(-1)!.data)).toEqual(
    exportWeights(checkpointsOf(whole).at(-1)!.data),
  );
  expect(logsOf(rest).join()).not.toContain('was written by engine');
});

test('a backend of another precision than the spec asks for is refused', async () => {
  await expect(record({ spec })).rejects.toThrow(
    'precision bf16 for this spec but received reference-float32',
  );
  await expect(record({ spec: tinySpec(), backend: bf16() })).rejects.toThrow('precision float32');
});
