import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { memory } from '@tensorflow/tfjs-core';
import { createBackend, createReference } from '@unfold/kernels';
import { expect, test } from 'vitest';
import { record, scratchFolder, sentence, textFile, tinySpec } from '../../packages/rnn/test-support/runs.ts';

test('memory does not grow from step to step of a training, and all of it is given back', async () => {
  const backend = await createBackend('tfjs');
  const before = memory();
  const seen: { numTensors: number; numBytes: number }[] = [];
  const spec = tinySpec({
    model: { cell: 'lstm', hidden_size: 8, norm: 'layer', num_layers: 2, dropout: 0.2 },
    training: {
      optimizer: { type: 'adamw' },
      batch_size: 4,
      sequence_length: 6,
      epochs: 99,
      max_steps: 31,
      validation_fraction: 0,
    },
  });
  await record({
    spec,
    data: textFile(sentence.repeat(12)),
    backend,
    control: () => {
      const { numTensors, numBytes } = memory();
      seen.push({ numTensors, numBytes });
      return 'continue';
    },
  });
  expect(seen.length).toBeGreaterThanOrEqual(30);
  expect(seen[2]!.numTensors).toBeGreaterThan(before.numTensors);
  expect(seen[29]).toEqual(seen[2]);
  backend.close();
  const { numTensors, numBytes } = memory();
  expect({ numTensors, numBytes }).toEqual({ numTensors: before.numTensors, numBytes: before.numBytes });
});

/** Runs a module in a process of its own, which finds packages in `path` too; what it printed, and nothing may stand beside it. */
function printed(module: string, path = ''): string {
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', module], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
    env: { ...process.env, NODE_PATH: path },
  });
  expect(stderr).toBe('');
  return stdout;
}

test('nothing of TensorFlow.js is loaded before its engine is asked for, and nothing of it reaches the console', () => {
  const answer = printed(`
    import { createRequire } from 'node:module';
    import { createBackend } from '@unfold/kernels';
    const loaded = () => Object.keys(createRequire(import.meta.url).cache).some((path) => path.includes('@tensorflow'));
    const reference = await createBackend('reference');
    const before = loaded();
    const { name } = (await createBackend('tfjs')).describe();
    const listeners = process.listenerCount('unhandledRejection') + process.listenerCount('uncaughtException');
    console.log(JSON.stringify([before, loaded(), listeners, name]));`);
  expect(answer).toBe('[false,true,0,"tfjs"]\n');
});

test('a library that is installed but does not work is passed over with one warning', () => {
  const folder = join(scratchFolder(), '@tensorflow/tfjs-node-gpu');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'index.js'), "throw new Error('no libcudart.so');");
  const answer = printed(
    `import { createBackend } from '@unfold/kernels';
    const warnings = [];
    const warn = (message) => warnings.push(message);
    const { engine } = (await createBackend('tfjs', { warn })).describe();
    await createBackend('tfjs', { warn });
    console.log(JSON.stringify([engine, warnings]));`,
    dirname(dirname(folder)),
  );
  const [engine, warnings] = JSON.parse(answer);
  expect(engine).toMatch(/^tfjs-(wasm|node)-float32$/);
  expect(warnings).toEqual([
    '@tensorflow/tfjs-node-gpu is installed but does not work, so another TensorFlow.js computes instead: no libcudart.so',
  ]);
});

test('a precision that it has not is refused', async () => {
  await expect(createBackend('tfjs', { precision: 'bf16' })).rejects.toThrow(
    'Expected "float32" for the precision of the engine "tfjs" but received "bf16".',
  );
  const reference = createReference();
  const backend = await createBackend('tfjs');
  expect(backend.describe().engine).toMatch(/^tfjs-(wasm|node|node-gpu)-float32$/);
  // Tensors of one engine are nothing to another.
  expect(() => backend.zero(reference.createTensor([1]))).toThrow('Expected a tensor of this backend');
  backend.close();
});
