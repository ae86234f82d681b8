import type { JobSpec } from '@unfold/contracts';
import { createTokenizer } from '../../text/create-tokenizer.ts';
import { createVocabularyBuilder } from '../../text/vocabulary-builder.ts';
import type { DataRecord } from './data-record.ts';
import { NormalizationBuilder } from './normalization.ts';
import type { RecordEncoding, VectorEncoding } from './record-encoding.ts';
import { createTokenList, TokenListBuilder } from './token-list.ts';

type Part = DataRecord['input'] | NonNullable<DataRecord['output'] | DataRecord['context']>;

const widthOf = (part: Extract<Part, { kind: 'vectors' | 'vector' }>): number =>
  part.kind === 'vectors' ? part.width : part.values.length;

/** Mean and deviation of a part's vectors, where they are wanted. */
const vectorBuilder = (first: Extract<Part, { kind: 'vectors' | 'vector' }>, normalizes: boolean) => {
  const width = widthOf(first);
  const builder = normalizes ? new NormalizationBuilder(width) : null;
  return {
    push(part: Part, isHeld: boolean): void {
      if (builder === null || isHeld) return;
      if (part.kind === 'vector') builder.push(part.values);
      if (part.kind !== 'vectors') return;
      for (let t = 0; t < part.steps; t++) if (part.present?.[t] !== 0) builder.push(part.values, t * width);
    },
    finish: (): VectorEncoding => ({ kind: 'vectors', width, normalization: builder?.finish() ?? null }),
  };
};

const textBuilder = ({ text }: JobSpec) => {
  // Text is cut in sequences also where it is read as a whole, such as the input of a classification.
  const builder = createVocabularyBuilder(text);
  return {
    push(part: Part, isHeld: boolean): void {
      if (isHeld || part.kind !== 'text') return;
      builder.push(part.text);
      builder.endSequence();
    },
    finish: () => ({
      kind: 'text' as const,
      tokenizer: createTokenizer(builder.finish(), { lowercase: text.lowercase }),
    }),
  };
};

/** Inputs may be unknown later on, so their vocabulary is open and comes from the training part. */
const inputTokensBuilder = ({ text }: JobSpec) => {
  const builder = new TokenListBuilder('input tokens');
  return {
    push(part: Part, isHeld: boolean): void {
      if (!isHeld && part.kind === 'tokens') for (const token of part.tokens) builder.push(token!);
    },
    finish: () => ({ kind: 'tokens' as const, list: createTokenList(builder.finishOpen(text.max_vocab)) }),
  };
};

/** What is predicted or conditioned on has a closed list of names: those of the whole file, so that a rare one that is held out still has its row. */
const closedBuilder = <K extends 'tokens' | 'label'>(kind: K, what: string) => {
  const builder = new TokenListBuilder(what);
  return {
    push(part: Part): void {
      if (part.kind === 'label') builder.push(part.label);
      if (part.kind === 'tokens') for (const token of part.tokens) if (token !== null) builder.push(token);
    },
    finish: () => ({ kind, list: createTokenList(builder.finish()) }),
  };
};

interface PartBuilder<E> {
  push(part: Part, isHeld: boolean): void;
  finish(): E;
}

/** Gathers vocabularies and statistics from all records of the training file, held out ones included. */
export class EncodingBuilder {
  readonly #spec: JobSpec;
  #input: PartBuilder<RecordEncoding['input']> | null = null;
  #output: PartBuilder<NonNullable<RecordEncoding['output']>> | null = null;
  #context: PartBuilder<NonNullable<RecordEncoding['context']>> | null = null;

  constructor(spec: JobSpec) {
    this.#spec = spec;
  }

  push({ input, output, context }: DataRecord, isHeld: boolean): void {
    this.#input ??= this.#inputBuilder(input);
    this.#input.push(input, isHeld);
    if (output !== null) {
      this.#output ??= this.#outputBuilder(output);
      this.#output.push(output, isHeld);
    }
    if (context !== null) {
      this.#context ??=
        context.kind === 'label'
          ? closedBuilder('label', 'contexts')
          : vectorBuilder(context, this.#normalizes);
      this.#context.push(context, isHeld);
    }
  }

  finish(): RecordEncoding {
    return {
      input: this.#input!.finish(),
      output: this.#output?.finish() ?? null,
      context: this.#context?.finish() ?? null,
      endless: false,
    };
  }

  get #normalizes(): boolean {
    return this.#spec.series.normalization === 'standard';
  }

  #inputBuilder(first: DataRecord['input']): PartBuilder<RecordEncoding['input']> {
    if (first.kind === 'text') return textBuilder(this.#spec);
    return first.kind === 'tokens' ? inputTokensBuilder(this.#spec) : vectorBuilder(first, this.#normalizes);
  }

  #outputBuilder(
    first: NonNullable<DataRecord['output']>,
  ): PartBuilder<NonNullable<RecordEncoding['output']>> {
    if (first.kind === 'vectors')
      return vectorBuilder(first, this.#normalizes && this.#spec.training.loss !== 'bernoulli');
    return first.kind === 'label'
      ? closedBuilder('label', 'labels')
      : closedBuilder('tokens', 'output tokens');
  }
}
