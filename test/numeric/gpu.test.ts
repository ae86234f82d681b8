import { createBackend } from '@unfold/kernels';
import { train } from '@unfold/rnn';
import { describe, expect, test } from 'vitest';
import { openWebgpu } from '../../packages/kernels/src/conformance/software-gpu.ts';
import {
  checkpointsOf,
  curveOf,
  logsOf,
  metricsOf,
  type Recorded,
  record,
  scratchFolder,
  sentence,
  tensorsOf,
  textFile,
  tinySpec,
} from '../../packages/rnn/test-support/runs.ts';

const gpu = await openWebgpu();
gpu?.close();

const spec = (precision: 'fp32' | 'f16') =>
  tinySpec({
    model: { cell: 'lstm', hidden_size: 19, embedding_size: 5 },
    training: {
      ...{ batch_size: 4, sequence_length: 5, epochs: 9, max_steps: 8, precision },
      // Seldom enough that the GPU goes on while the host waits for losses of steps before.
      ...{ log_every: 4, evaluate_every: 8, checkpoint_every: 3, sample_every: 16 },
    },
  });
const data = () => textFile(sentence.repeat(4));
const open = (precision: 'float32' | 'f16') => createBackend('webgpu', { precision });

function valuesOf(run: Recorded, name: 'loss' | 'validation_loss'): number[] {
  return metricsOf(run).flatMap(({ values }) => values[name] ?? []);
}

describe.skipIf(!gpu)('a run on a GPU', () => {
  const unbroken = new Map<string, Promise<Recorded>>();
  /** The run that nothing breaks, worked out once. */
  const whole = (precision: 'fp32' | 'f16'): Promise<Recorded> => {
    const present = unbroken.get(precision);
    if (present) return present;
    const made = open(precision === 'fp32' ? 'float32' : 'f16').then((backend) =>
      record({ spec: spec(precision), data: data(), backend }),
    );
    unbroken.set(precision, made);
    return made;
  };

  test.each([
    ['fp32', 'float32'],
    ['f16', 'f16'],
  ] as const)(
    'in %s that ends in the middle of steps sent ahead, and goes on from a checkpoint, has the bits of one that nothing broke',
    async (precision, name) => {
      const expected = await whole(precision);
      const backend = await open(name);
      // Nobody asks for more after the first checkpoint: what was sent ahead is left behind, as by a process that is killed.
      let resume: Uint8Array | null = null;
      let from = 0;
      for await (const event of train({
        spec: spec(precision),
        data: data(),
        backend,
        scratch: scratchFolder(),
      })) {
        if (event.type !== 'checkpoint' || event.step === 0) continue;
        [resume, from] = [event.data.slice(), event.step];
        break;
      }
      expect(from).toBeGreaterThan(0);
      const rest = await record({
        ...{ spec: spec(precision), data: data(), backend: await open(name), resume: resume! },
      });
      expect(logsOf(rest).join()).not.toContain('was written by engine');
      const [own, other] = [rest, expected].map((run) => checkpointsOf(run).at(-1)!);
      expect(own!.step).toBe(other!.step);
      expect(tensorsOf(own!.data)).toEqual(tensorsOf(other!.data));
      const later = curveOf(expected).filter((event) => (event as { step: number }).step > from);
      expect(curveOf(rest)).toEqual(later);
    },
  );

  test('in half precision has nearly the curve of one in single precision', async () => {
    const [half, single] = [await whole('f16'), await whole('fp32')];
    expect(valuesOf(half, 'loss')).not.toEqual(valuesOf(single, 'loss'));
    for (const name of ['loss', 'validation_loss'] as const)
      for (const [i, value] of valuesOf(half, name).entries())
        expect(Math.abs(value / valuesOf(single, name)[i]! - 1), name).toBeLessThan(1e-3);
  });
});
