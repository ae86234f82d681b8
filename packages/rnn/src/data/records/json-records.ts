import type { Task } from '@unfold/contracts';
import { describeValue } from '@unfold/contracts/values';
import { problem } from './data-problem.ts';
import type { DataRecord } from './data-record.ts';
import { parseObject } from './json-object.ts';
import { requireLabel, requireSequence, requireText, requireVector } from './json-values.ts';

/** What a line of JSON Lines holds, by task. */
export type RecordParser = (text: string) => Omit<DataRecord, 'line'>;

const languageModel: RecordParser = (json) => {
  const { text } = parseObject(json, ['text'], '{"text": "…"}');
  return { input: { kind: 'text', text: requireText(text, '"text"') }, output: null, context: null };
};

const conditionalGeneration: RecordParser = (json) => {
  const shape = '{"context": [numbers] or "label", "text": "…"}';
  const { context, text } = parseObject(json, ['context', 'text'], shape);
  if (typeof context !== 'string' && !Array.isArray(context))
    throw problem('"context" to be a label or a list of numbers', describeValue(context));
  return {
    input: { kind: 'text', text: requireText(text, '"text"') },
    output: null,
    context:
      typeof context === 'string'
        ? { kind: 'label', label: requireLabel(context, '"context"') }
        : { kind: 'vector', values: requireVector(context, '"context"') },
  };
};

const sequenceLabeling: RecordParser = (json) => {
  const { input, output } = parseObject(json, ['input', 'output'], '{"input": […], "output": […]}');
  const inputs = requireSequence(input, '"input"', false);
  const outputs = requireSequence(output, '"output"', true);
  const [given, wanted] = [(input as unknown[]).length, (output as unknown[]).length];
  if (given !== wanted)
    throw problem(
      `"output" to be as long as "input", ${given} entries`,
      `${wanted} (sequences of unequal lengths wait for an encoder–decoder)`,
    );
  return { input: inputs, output: outputs, context: null };
};

const classification: RecordParser = (json) => {
  const shape = '{"input": "text" or [tokens] or [vectors], "label": "…"}';
  const { input, label } = parseObject(json, ['input', 'label'], shape);
  return {
    input:
      typeof input === 'string'
        ? { kind: 'text', text: requireText(input, '"input"') }
        : requireSequence(input, '"input"', false),
    output: { kind: 'label', label: requireLabel(label, '"label"') },
    context: null,
  };
};

/** A whole series each line. */
const forecasting: RecordParser = (json) => {
  const { values } = parseObject(json, ['values'], '{"values": [vectors]}');
  const input = requireSequence(values, '"values"', false);
  if (input.kind !== 'vectors') throw problem('"values" to be a list of numbers or of vectors', 'texts');
  if (input.steps < 2) throw problem('"values" of at least 2 time steps', '1');
  return { input, output: null, context: null };
};

export const recordParsers: Record<Task, RecordParser> = {
  language_model: languageModel,
  conditional_generation: conditionalGeneration,
  sequence_labeling: sequenceLabeling,
  classification,
  forecasting,
};
