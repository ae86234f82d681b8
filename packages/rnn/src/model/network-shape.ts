import type { JobSpec } from '@unfold/contracts';
import type { RecordEncoding } from '../data/records/record-encoding.ts';
import type { Tokenizer } from '../text/tokenizer.ts';

/** What goes in or comes out at a place of the network: one of `size` tokens, or vectors of `size` numbers. */
export interface Port {
  kind: 'tokens' | 'vectors';
  size: number;
}

/** What surrounds a network's layers, as its task and its data make it. */
export interface NetworkShape {
  input: Port;
  output: Port;
  /** How outputs are held against targets: cross-entropy of a softmax over tokens, or a loss of numbers. */
  loss: 'softmax' | 'squared_error' | 'bernoulli';
  /** The token that is never an output: `<s>` where a sequence's end is decided elsewhere. Null: every token may be. */
  excluded: number | null;
  /** Where the output is: at every time step, or after the last one. */
  outputAt: 'steps' | 'end';
  /** f, the output that is fed to the hidden units of the next step; null: none is. */
  feedback: Port | null;
  /** Whether the output of the step before, as far as it is known, is the input of this one: of text and of forecasts. */
  readsOutputs: boolean;
  /** What the whole sequence is conditioned on; null: nothing. */
  context: Port | null;
  /** Time steps that have running statistics of their own under batch normalisation. */
  normSteps: number;
}

/** Text in, the same text out. */
export const textShape = (vocabularySize: number, normSteps = 1): NetworkShape => ({
  input: { kind: 'tokens', size: vocabularySize },
  output: { kind: 'tokens', size: vocabularySize },
  loss: 'softmax',
  excluded: null,
  outputAt: 'steps',
  feedback: null,
  readsOutputs: true,
  context: null,
  normSteps,
});

/** An endless text's encoding, which is its tokenizer. */
export const textEncoding = (tokenizer: Tokenizer): RecordEncoding => ({
  input: { kind: 'text', tokenizer },
  output: null,
  context: null,
  endless: true,
});

type Part = RecordEncoding['input'] | NonNullable<RecordEncoding['output'] | RecordEncoding['context']>;

const portOf = (part: Part): Port => {
  switch (part.kind) {
    case 'text':
      return { kind: 'tokens', size: part.tokenizer.tokens.length };
    case 'tokens':
    case 'label':
      return { kind: 'tokens', size: part.list.tokens.length };
    case 'vectors':
      return { kind: 'vectors', size: part.width };
  }
};

const boundaryOf = ({ input }: RecordEncoding): number | null =>
  input.kind === 'text' ? input.tokenizer.boundary : null;

/** What a network's data is at each of its places. */
export interface Places {
  input: Port;
  /** null: the input's next steps. */
  output: Port | null;
  context: Port | null;
  /** `<s>`, where there is one. */
  boundary: number | null;
}

type Options = Pick<JobSpec, 'task' | 'model' | 'training'>;

/** The shape that a spec's network has with data of these places. */
export const shapeOfPlaces = (
  { task, model, training }: Options,
  { input, context, boundary, ...places }: Places,
  normSteps: number,
): NetworkShape => {
  const output = places.output ?? input;
  // A text's input already is the output of the step before.
  const writesText = task === 'language_model' || task === 'conditional_generation';
  return {
    input,
    output,
    loss: output.kind === 'tokens' ? 'softmax' : training.loss,
    excluded: writesText && model.length !== 'eos' ? boundary : null,
    outputAt: task === 'classification' ? 'end' : 'steps',
    feedback: model.recurrence === 'hidden' || writesText ? null : output,
    readsOutputs: places.output === null,
    context,
    normSteps,
  };
};

/** The shape that a spec's network has with data that is encoded so. */
export const shapeOf = (options: Options, encoding: RecordEncoding, normSteps: number): NetworkShape => {
  const { input, output, context } = encoding;
  const places = {
    input: portOf(input),
    output: output && portOf(output),
    context: context && portOf(context),
    boundary: boundaryOf(encoding),
  };
  return shapeOfPlaces(options, places, normSteps);
};
