import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type JobSpec, jobSpec } from '@unfold/contracts';
import { createReference } from '@unfold/kernels';
import { inject } from 'vitest';
import type { ControlAnswer, TrainingEvent, TrainingOutcome } from '../src/training/events.ts';
import { type TrainOptions, train } from '../src/training/train.ts';
import { readHeader, readTensor } from '../src/weights/safetensors.ts';

type Fields = Record<string, unknown>;

/** A completed spec of a tiny model. */
export const tinySpec = (
  fields: {
    task?: string;
    text?: Fields;
    series?: Fields;
    model?: Fields;
    training?: Fields;
    seed?: number;
  } = {},
): JobSpec =>
  jobSpec.parse({
    file: `file-${'0'.repeat(26)}`,
    seed: fields.seed ?? 1,
    task: fields.task ?? 'language_model',
    text: fields.text ?? {},
    series: fields.series ?? {},
    model: { hidden_size: 6, num_layers: 1, ...fields.model },
    training: { batch_size: 3, sequence_length: 5, epochs: 2, log_every: 1, ...fields.training },
  });

/** A folder that disappears with the test run's end. */
export const scratchFolder = (): string => mkdtempSync(join(inject('scratchFolder'), 'rnn-'));

export const textFile = (text: string | Uint8Array, name = 'text.txt'): string => {
  const path = join(scratchFolder(), name);
  writeFileSync(path, text);
  return path;
};

export const sentence = 'the quick brown fox jumps over the lazy dog while seven wizards mix potions. ';

export interface Recorded {
  events: TrainingEvent[];
  outcome: TrainingOutcome;
}

export type Checkpoint = Extract<TrainingEvent, { type: 'checkpoint' }>;

export const checkpointsOf = ({ events }: Recorded): Checkpoint[] =>
  events.filter((event) => event.type === 'checkpoint');

export const metricsOf = ({ events }: Recorded): Extract<TrainingEvent, { type: 'metric' }>[] =>
  events.filter((event) => event.type === 'metric');

export const logsOf = ({ events }: Recorded): string[] =>
  events.flatMap((event) => (event.type === 'log' ? [event.message] : []));

/** Runs a training to its end and keeps all that it told. */
export const record = async (
  options: Partial<Omit<TrainOptions, 'control'>> & {
    spec: JobSpec;
    control?: (events: TrainingEvent[]) => ControlAnswer;
  },
): Promise<Recorded> => {
  const events: TrainingEvent[] = [];
  const training = train({
    data: options.data ?? textFile(sentence.repeat(4)),
    backend: options.backend ?? createReference(),
    scratch: options.scratch ?? scratchFolder(),
    ...options,
    control: () => options.control?.(events) ?? 'continue',
  });
  for (;;) {
    const next = await training.next();
    if (next.done) return { events, outcome: next.value };
    events.push(next.value);
  }
};

/** A run's curve and samples without what depends on the clock. */
export const curveOf = ({ events }: Recorded): unknown[] =>
  events.flatMap((event): unknown[] => {
    if (event.type === 'sample') return [event];
    if (event.type !== 'metric') return [];
    const { tokens_per_second: _, eta_seconds: __, ...values } = event.values;
    return [{ step: event.step, values }];
  });

/** What stands of a run's events in the end: a restart takes back the points after its step. */
export const withdrawRestarted = (events: TrainingEvent[]): TrainingEvent[] => {
  let kept: TrainingEvent[] = [];
  for (const event of events) {
    if (event.type === 'restart')
      kept = kept.filter((earlier) => !('step' in earlier) || earlier.step <= event.from_step);
    else kept.push(event);
  }
  return kept;
};

/** Every tensor of a checkpoint, bit by bit: parameters, moments, carried state. */
export const tensorsOf = (bytes: Uint8Array): Record<string, Uint8Array> => {
  const header = readHeader(bytes);
  return Object.fromEntries(
    [...header.tensors.keys()].map((name) => [
      name,
      new Uint8Array(readTensor(bytes, header, name, Float32Array).buffer),
    ]),
  );
};
