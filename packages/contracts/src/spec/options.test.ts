import { jobSpec, parseRequest } from '@unfold/contracts';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';

const file = `file-${'0'.repeat(32)}`;
const complete = (input: object = {}) => parseRequest(jobSpec, { file, ...input });

type Schema = { $ref?: string; properties?: Record<string, Schema>; description?: string; anyOf?: Schema[] };

describe('the options of a job', () => {
  it('are each described on the API page', () => {
    const root = z.toJSONSchema(jobSpec, { io: 'input' }) as Schema & {
      $defs: Record<string, Schema>;
    };
    const undescribed: string[] = [];
    const visit = (schema: Schema, path: string): void => {
      const target = schema.$ref ? root.$defs[schema.$ref.split('/').at(-1)!]! : schema;
      for (const [name, property] of Object.entries(target.properties ?? {})) {
        const at = `${path}.${name}`;
        const resolved = property.$ref ? root.$defs[property.$ref.split('/').at(-1)!]! : property;
        if (resolved.properties) visit(property, at);
        else if (!property.description && !resolved.description) undescribed.push(at);
      }
    };
    visit(root, '');
    expect(undescribed).toEqual([]);
  });

  it('have the default rates of their optimizers', () => {
    const rate = (type: string) =>
      complete({ training: { optimizer: { type } } }).training.optimizer.learning_rate;
    expect(
      Object.fromEntries(['adam', 'adamw', 'rmsprop', 'adagrad', 'sgd'].map((type) => [type, rate(type)])),
    ).toEqual({
      adam: 0.002,
      adamw: 0.002,
      rmsprop: 0.002,
      adagrad: 0.1,
      sgd: 1,
    });
  });

  it('have defaults that fit the task', () => {
    expect(complete().series.normalization).toBe('none');
    expect(complete({ task: 'forecasting' }).series.normalization).toBe('standard');
    expect(complete({ task: 'forecasting', training: { loss: 'bernoulli' } }).series.normalization).toBe(
      'none',
    );
    expect(complete().text.sequences).toBe('whole');
    expect(complete({ task: 'classification' }).text.sequences).toBe('json_lines');
    expect(complete({ task: 'conditional_generation' }).model.context).toEqual({ inject: 'every_step' });
    expect(complete().model.context).toBeNull();
  });

  it('have defaults that fit the schedule of teacher forcing', () => {
    const forcing = (options: object) =>
      complete({ training: { teacher_forcing: { mode: 'scheduled', ...options } } }).training.teacher_forcing;
    expect(forcing({})).toMatchObject({ schedule: 'linear', c: 0.0001, k: null, floor: 0 });
    expect(forcing({ schedule: 'exponential' })).toMatchObject({ c: null, k: 0.9999 });
    expect(forcing({ schedule: 'inverse_sigmoid' })).toMatchObject({ c: null, k: 1000 });
  });

  it.each([
    { task: 'forecasting' },
    { task: 'conditional_generation', model: { length: 'countdown', max_length: 9 } },
    { training: { teacher_forcing: { mode: 'scheduled', schedule: 'inverse_sigmoid' } } },
    { start_from: { model: 'base', freeze: ['layers.0'] } },
  ])('are complete after one pass (%j)', (input) => {
    const spec = complete(input);
    expect(parseRequest(jobSpec, structuredClone(spec))).toEqual(spec);
  });
});
