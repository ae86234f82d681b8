import { type JobSpec, jobSpec, parseRequest, UnfoldError } from '@unfold/contracts';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';

const file = `file-${'0'.repeat(32)}`;

const refusal = (input: unknown): UnfoldError => {
  try {
    parseRequest(jobSpec, input);
  } catch (error) {
    if (error instanceof UnfoldError) return error;
    throw error;
  }
  throw new Error('The spec was accepted.');
};

describe('a job spec', () => {
  it('needs nothing but a file', () => {
    const spec = parseRequest(jobSpec, { file });
    expect(spec.model).toMatchObject({ cell: 'lstm', hidden_size: 256, num_layers: 2, embedding_size: null });
    expect(spec.training).toMatchObject({ batch_size: 64, sequence_length: 64, clip: { norm: 5 } });
    expect(spec.training.optimizer).toMatchObject({ type: 'adam', learning_rate: 0.002 });
  });

  it('is complete after one pass: completing it again changes nothing', () => {
    const spec = parseRequest(jobSpec, { file, training: { optimizer: { type: 'sgd', momentum: 0.9 } } });
    expect(parseRequest(jobSpec, spec)).toEqual(spec);
    expect(parseRequest(jobSpec, JSON.parse(JSON.stringify(spec)))).toEqual(spec);
  });

  it('takes the learning rate that fits the optimizer', () => {
    const rateOf = (optimizer: object) =>
      parseRequest(jobSpec, { file, training: { optimizer } }).training.optimizer.learning_rate;
    expect(rateOf({})).toBe(0.002);
    expect(rateOf({ type: 'sgd' })).toBe(1);
    expect(rateOf({ type: 'sgd', momentum: 0.9 })).toBe(0.1);
    expect(rateOf({ type: 'sgd', momentum: 0.9, learning_rate: 3 })).toBe(3);
  });

  it('is described by a JSON schema, for what goes in and for what comes out', () => {
    const schemaOf = (io: 'input' | 'output') => z.toJSONSchema(jobSpec, { io }).$defs?.JobSpec;
    expect(schemaOf('input')?.required).toEqual(['file']);
    expect(schemaOf('output')?.required).toContain('training');
  });

  const training = (options: object) => ({ file, training: options });
  const model = (options: object) => ({ file, model: options });
  it.each<[string, unknown, string, string | null]>([
    ['no file', {}, 'missing_field', 'file'],
    ['a file of another kind', { file: 3 }, 'invalid_value', 'file'],
    ['an id of something else', { file: `job-${'0'.repeat(32)}` }, 'invalid_value', 'file'],
    ['no object', null, 'invalid_value', null],
    ['a list', [], 'invalid_value', null],
    ['an unknown field', { file, colour: 'red' }, 'unknown_field', 'colour'],
    ['an unknown nested field', training({ batchsize: 3 }), 'unknown_field', 'training.batchsize'],
    ['a batch of nothing', training({ batch_size: 0 }), 'invalid_value', 'training.batch_size'],
    ['half a batch', training({ batch_size: 1.5 }), 'invalid_value', 'training.batch_size'],
    ['a number in words', training({ batch_size: 'ten' }), 'invalid_value', 'training.batch_size'],
    ['a batch beyond the limit', training({ batch_size: 1025 }), 'invalid_value', 'training.batch_size'],
    ['a window of nothing', training({ sequence_length: 0 }), 'invalid_value', 'training.sequence_length'],
    ['no epochs', training({ epochs: 0 }), 'invalid_value', 'training.epochs'],
    ['negative steps', training({ max_steps: -1 }), 'invalid_value', 'training.max_steps'],
    ['no seconds', training({ max_seconds: 0 }), 'invalid_value', 'training.max_seconds'],
    [
      'all of the text held out',
      training({ validation_fraction: 1 }),
      'invalid_value',
      'training.validation_fraction',
    ],
    [
      'a rate of zero',
      training({ optimizer: { learning_rate: 0 } }),
      'invalid_value',
      'training.optimizer.learning_rate',
    ],
    [
      'an infinite rate',
      training({ optimizer: { learning_rate: Number.POSITIVE_INFINITY } }),
      'invalid_value',
      'training.optimizer.learning_rate',
    ],
    [
      'an unknown optimizer',
      training({ optimizer: { type: 'lion' } }),
      'invalid_value',
      'training.optimizer.type',
    ],
    [
      'an unknown schedule',
      training({ schedule: { type: 'square' } }),
      'invalid_value',
      'training.schedule.type',
    ],
    ['no log', training({ log_every: 0 }), 'invalid_value', 'training.log_every'],
    ['a beta of one', training({ optimizer: { beta1: 1 } }), 'invalid_value', 'training.optimizer.beta1'],
    ['an unknown cell', model({ cell: 'qrnn' }), 'invalid_value', 'model.cell'],
    ['no hidden units', model({ hidden_size: 0 }), 'invalid_value', 'model.hidden_size'],
    ['too many layers', model({ num_layers: 9 }), 'invalid_value', 'model.num_layers'],
    ['all units dropped', model({ dropout: 1 }), 'invalid_value', 'model.dropout'],
    ['an unknown recurrence', model({ recurrence: 'sideways' }), 'invalid_value', 'model.recurrence'],
    ['a vocabulary of one', { file, text: { max_vocab: 1 } }, 'invalid_value', 'text.max_vocab'],
    ['a priority beyond the range', { file, priority: 101 }, 'invalid_value', 'priority'],
    ['a negative seed', { file, seed: -1 }, 'invalid_value', 'seed'],
    ['a name with spaces', { file, name: 'my model' }, 'invalid_value', 'name'],
    ['a name like an id', { file, name: `ckpt-${'0'.repeat(20)}` }, 'invalid_value', 'name'],
    ['metadata that is not text', { file, metadata: { a: 1 } }, 'invalid_value', 'metadata.a'],
    ['metadata with U+0000', { file, metadata: { a: '\u0000' } }, 'invalid_value', 'metadata.a'],
    ['a lone surrogate', { file, device: '\ud800' }, 'invalid_value', 'device'],
    [
      'clipping by norm and by value',
      training({ clip: { norm: 1, value: 1 } }),
      'contradictory_options',
      'training.clip',
    ],
    ['an unknown precision', training({ precision: 'fp8' }), 'invalid_value', 'training.precision'],
    ['clipping to nothing', training({ clip: { norm: 0 } }), 'invalid_value', 'training.clip.norm'],
  ])('is refused for %s, naming the field', (_, input, code, param) => {
    const error = refusal(input);
    expect(error).toMatchObject({ code, param, status: 400 });
    if (param !== null) expect(error.message).toContain(param);
  });

  it('says what was expected and what was received', () => {
    expect(refusal(training({ batch_size: 0 })).message).toBe(
      'training.batch_size: expected at least 1, but received 0.',
    );
    expect(refusal(training({ optimizer: { type: 'lion' } })).message).toBe(
      'training.optimizer.type: expected one of "adam", "adamw", "rmsprop", "adagrad", "sgd", but received "lion".',
    );
    expect(refusal(training({ clip: 3 })).message).toContain('training.clip: expected');
    expect(refusal(training({ clip: {} })).message).toBe(
      'training.clip: expected either norm or value, but received an object.',
    );
    expect(refusal({}).message).toBe('file: expected a string, but received nothing.');
  });

  it('says once what is wrong with a text', () => {
    expect(refusal({ file, metadata: { note: '\ud800' } }).message).toBe(
      'metadata.note: expected valid Unicode without lone surrogates, but received "\\ud800".',
    );
  });

  it('asks for a kind of device that the engine computes on', () => {
    for (const choice of [
      { device: 'cpu' },
      { device: 'gpu' },
      { device: 'cpu', engine: 'native' },
      { device: 'gpu', engine: 'tfjs' },
    ])
      expect(parseRequest(jobSpec, { file, ...choice })).toMatchObject(choice);
    expect(refusal({ file, device: 'tpu' }).message).toBe(
      'device: expected one of "cpu", "gpu", but received "tpu".',
    );
    expect(refusal({ file, device: 'gpu', engine: 'native' })).toMatchObject({
      code: 'contradictory_options',
      param: 'device',
    });
  });

  it('clips by one of two measures, or by none', () => {
    for (const clip of [{ norm: 1 }, { value: 2 }, null])
      expect(parseRequest(jobSpec, training({ clip })).training.clip).toEqual(clip);
  });

  it('never shows more than a glimpse of a long value', () => {
    expect(refusal({ file, name: 'x'.repeat(10_000) }).message.length).toBeLessThan(300);
  });

  it('refuses a field named like a part of every object', () => {
    expect(refusal(JSON.parse(`{"file":"${file}","__proto__":{"x":1}}`))).toMatchObject({
      code: 'unknown_field',
    });
    const spec: JobSpec = parseRequest(jobSpec, { file });
    expect(Object.getPrototypeOf(spec)).toBe(Object.prototype);
  });
});
