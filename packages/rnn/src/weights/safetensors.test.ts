import { UnfoldError } from '@unfold/contracts';
import { createReference } from '@unfold/kernels';
import { describe, expect, test } from 'vitest';
import { checkpointsOf, record, tinySpec } from '../../test-support/runs.ts';
import { LanguageModel } from '../language-model.ts';
import { fromHalf } from './dtype.ts';
import { exportWeights } from './export.ts';
import { inspectWeights } from './inspect.ts';
import { readHeader, readTensor, writeSafetensorsSync } from './safetensors.ts';

const file = (header: unknown, dataBytes = 0, claimed?: bigint): Uint8Array => {
  const text = typeof header === 'string' ? header : JSON.stringify(header);
  const bytes = new Uint8Array(8 + Buffer.byteLength(text) + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, claimed ?? BigInt(Buffer.byteLength(text)), true);
  bytes.set(Buffer.from(text), 8);
  return bytes;
};

const tensor = (shape: unknown, offsets: unknown, dtype: unknown = 'F32') => ({
  dtype,
  shape,
  data_offsets: offsets,
});

describe('a safetensors file', () => {
  test('gives back what was written, aligned, in every precision asked for', () => {
    const bytes = writeSafetensorsSync(
      [
        { name: 'a', dtype: 'F32', shape: [2, 1], values: () => [1.5, -2] },
        { name: 'b', dtype: 'F32', shape: [0], values: () => [] },
      ],
      { note: 'é' },
    );
    const header = readHeader(bytes);
    expect(header.metadata.get('note')).toBe('é');
    expect(header.dataStart % 8).toBe(0);
    expect(readTensor(bytes, header, 'a', Float32Array)).toEqual(Float32Array.of(1.5, -2));
    expect(readTensor(bytes, header, 'a', Float64Array)).toEqual(Float64Array.of(1.5, -2));
    expect(readTensor(bytes, header, 'b', Float32Array)).toHaveLength(0);
    expect(() => readTensor(bytes, header, 'c', Float32Array)).toThrow(/"c" is missing/);
    const pooled = Buffer.concat([Buffer.alloc(3), bytes]).subarray(3);
    expect(readTensor(pooled, header, 'a', Float32Array)).toEqual(Float32Array.of(1.5, -2));
  });

  test('of half precision is widened exactly', () => {
    expect([0x3c00, 0xc000, 0x7bff, 0x0001, 0x8000].map(fromHalf)).toEqual([1, -2, 65504, 2 ** -24, -0]);
    expect(fromHalf(0x7c00)).toBe(Infinity);
    expect(fromHalf(0x7e00)).toBeNaN();
    const bytes = file({ h: tensor([2], [0, 4], 'F16'), b: tensor([2], [4, 8], 'BF16') }, 8);
    bytes.set([0x00, 0x3c, 0x00, 0xc0, 0x80, 0x3f, 0x00, 0xc0], bytes.length - 8);
    const header = readHeader(bytes);
    expect(readTensor(bytes, header, 'h', Float32Array)).toEqual(Float32Array.of(1, -2));
    expect(readTensor(bytes, header, 'b', Float32Array)).toEqual(Float32Array.of(1, -2));
  });

  test.each<[string, Uint8Array, RegExp]>([
    ['shorter than a header length', new Uint8Array(7), /fewer than the 8/],
    ['a header larger than the limit', file('{}', 0, 1_000_001n), /at most 1000000/],
    ['a header of 2⁶⁴ − 1 bytes', file('{}', 0, 2n ** 64n - 1n), /at most/],
    ['a header longer than the file', file('{}', 0, 500_000n), /ends after 2/],
    ['a header that is not JSON', file('{"a":'), /not JSON/],
    ['a header that is not UTF-8', file('{"a":"').fill(0xff, 8), /not JSON/],
    ['a header that is a list', file('[]'), /not an object/],
    ['a tensor that is no object', file({ a: 1 }), /not described/],
    ['an unknown type', file({ a: tensor([1], [0, 1], 'I8') }, 1), /dtype "I8"/],
    ['an inherited property as type', file({ a: tensor([1], [0, 1], 'toString') }, 1), /dtype/],
    ['a negative size', file({ a: tensor([-1], [0, 4]) }, 4), /shape/],
    ['a fractional size', file({ a: tensor([0.5], [0, 2]) }, 2), /shape/],
    ['too many dimensions', file({ a: tensor(Array(9).fill(1), [0, 4]) }, 4), /shape/],
    ['a shape whose product overflows', file({ a: tensor([2 ** 40, 2 ** 40], [0, 4]) }, 4), /overflows/],
    ['a shape that wraps round to its size', file({ a: tensor([2 ** 32, 2 ** 32], [0, 0]) }), /overflows/],
    ['a size that is not the shape’s', file({ a: tensor([2], [0, 4]) }, 4), /needs 8 bytes/],
    ['offsets the wrong way round', file({ a: tensor([1], [4, 0]) }, 4), /span -4/],
    ['an offset beyond the file', file({ a: tensor([2], [0, 8]) }, 4), /holds only 4/],
    ['overlapping tensors', file({ a: tensor([1], [0, 4]), b: tensor([1], [2, 6]) }, 6), /overlap/],
    ['the same bytes twice', file({ a: tensor([1], [0, 4]), b: tensor([1], [0, 4]) }, 4), /overlap/],
    ['a gap', file({ a: tensor([1], [0, 4]), b: tensor([1], [8, 12]) }, 12), /gaps/],
    ['bytes behind the last tensor', file({ a: tensor([1], [0, 4]) }, 8), /file holds 8/],
    [
      'a tensor twice',
      file(
        '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
        8,
      ),
      /overlap|gaps/,
    ],
    ['metadata that is not text', file({ __metadata__: { spec: 1 } }), /other than text/],
    ['metadata that is a list', file({ __metadata__: [] }), /not an object/],
  ])('is refused: %s', (_, bytes, message) => {
    expect(() => readHeader(bytes)).toThrow(message);
    expect(() => readHeader(bytes)).toThrow(UnfoldError);
  });
});

const trained = async (fields: Parameters<typeof tinySpec>[0] = {}) => {
  const run = await record({ spec: tinySpec({ ...fields, training: { epochs: 1, ...fields.training } }) });
  return checkpointsOf(run).at(-1)!.data;
};

// biome-ignore lint/suspicious/noExplicitAny: what the tests write into a header is wrong on purpose.
type Header = any;

/** The same file with another header. */
const tampered = (bytes: Uint8Array, change: (header: Header) => void): Uint8Array => {
  const { dataStart } = readHeader(bytes);
  const header = JSON.parse(Buffer.from(bytes.subarray(8, dataStart)).toString());
  change(header);
  return Buffer.concat([file(header), bytes.subarray(dataStart)]);
};

const refuse = (bytes: Uint8Array, message: RegExp): void => {
  expect(() => inspectWeights(bytes)).toThrow(message);
  expect(() => inspectWeights(bytes)).toThrow(UnfoldError);
};

describe('exported weights', () => {
  test('are the float32 parameters alone, by PyTorch’s names, with spec and tokenizer', async () => {
    const weights = exportWeights(await trained({ model: { num_layers: 2, embedding_size: 4 } }));
    const header = readHeader(weights);
    const suffixes = ['weight_ih', 'weight_hh', 'bias_ih', 'bias_hh'];
    expect([...header.tensors.keys()]).toEqual([
      'encoder.weight',
      ...[0, 1].flatMap((k) => suffixes.map((suffix) => `rnn.${suffix}_l${k}`)),
      'decoder.weight',
      'decoder.bias',
    ]);
    expect([...header.tensors.values()].every(({ dtype }) => dtype === 'F32')).toBe(true);
    expect([...header.metadata.keys()]).toEqual(['spec', 'tokenizer']);
    const found = inspectWeights(weights);
    expect(found.vocabulary_size).toBe(found.tokenizer!.tokens.length);
    const elements = [...header.tensors.values()].reduce((sum, { begin, end }) => sum + (end - begin) / 4, 0);
    expect(found.parameters).toBe(elements);
  });

  test('hold a tied weight under both names, counted once', async () => {
    const weights = exportWeights(await trained({ model: { embedding_size: 6, tie_weights: true } }));
    const header = readHeader(weights);
    expect(readTensor(weights, header, 'decoder.weight', Float32Array)).toEqual(
      readTensor(weights, header, 'encoder.weight', Float32Array),
    );
    const model = await LanguageModel.load(weights, createReference());
    const size = header.tensors.get('encoder.weight')!.shape[0]!;
    expect(model.parameters).toBe(size * 6 + 4 * 6 * (6 + 6 + 2) + size);
    const broken = weights.slice();
    const { begin } = header.tensors.get('decoder.weight')!;
    new DataView(broken.buffer).setFloat32(header.dataStart + begin, 5, true);
    await expect(LanguageModel.load(broken, createReference())).rejects.toThrow(/they differ/);
  });

  test('can be inspected by their header alone', async () => {
    const weights = exportWeights(await trained());
    const { dataStart } = readHeader(weights);
    const found = inspectWeights(weights.subarray(0, dataStart), { fileBytes: weights.length });
    expect(found).toEqual(inspectWeights(weights));
    expect(() => inspectWeights(weights, { parameters: 10 })).toThrow(/at most 10 parameters/);
  });

  test('are refused when header, spec, tokenizer and tensors do not agree', async () => {
    const weights = exportWeights(await trained());
    const edit = (name: string, change: (value: Header) => void) => (header: Header) => {
      const value = JSON.parse(header.__metadata__[name]);
      change(value);
      header.__metadata__[name] = JSON.stringify(value);
    };
    refuse(
      tampered(weights, (h) => delete h.__metadata__.spec),
      /lacks "spec"/,
    );
    refuse(
      tampered(weights, (h) => (h.__metadata__.tokenizer = '{')),
      /"tokenizer" is not JSON/,
    );
    refuse(
      tampered(
        weights,
        edit('spec', (s) => (s.model.hidden_size = 7)),
      ),
      /has shape/,
    );
    refuse(
      tampered(
        weights,
        edit('spec', (s) => (s.model.hidden_size = -7)),
      ),
      /hidden_size/,
    );
    refuse(
      tampered(
        weights,
        edit('spec', (s) => (s.model.cell = 'transformer')),
      ),
      /cell/,
    );
    refuse(
      tampered(
        weights,
        edit('spec', (s) => (s.model.num_layers = 2)),
      ),
      /l1" is missing/,
    );
    refuse(
      tampered(
        weights,
        edit('tokenizer', (t) => t.tokens.pop()),
      ),
      /has shape/,
    );
    refuse(
      tampered(
        weights,
        edit('tokenizer', (t) => (t.level = 'word')),
      ),
      /level/,
    );
    const rename = (h: Header) => {
      h['evil.weight'] = h['decoder.bias'];
      delete h['decoder.bias'];
    };
    refuse(tampered(weights, rename), /"decoder.bias" is missing/);
    refuse(weights.subarray(0, weights.length - 1), /holds only/);
  });

  test('with numbers that are none are refused on loading', async () => {
    const weights = exportWeights(await trained());
    new DataView(weights.buffer).setFloat32(weights.length - 4, Number.NaN, true);
    await expect(LanguageModel.load(weights, createReference())).rejects.toMatchObject({
      code: 'invalid_weights',
    });
  });

  test('need no more of a spec than what is not the default', async () => {
    const checkpoint = exportWeights(await trained());
    const small = tampered(checkpoint, (h) => {
      h.__metadata__.spec = JSON.stringify({ model: { hidden_size: 6, num_layers: 1 } });
    });
    expect(inspectWeights(small).spec.model.cell).toBe('lstm');
  });

  test('may name a device of earlier versions, which asks for nothing', async () => {
    const checkpoint = exportWeights(await trained());
    const naming = (device: string) =>
      tampered(checkpoint, (h) => {
        h.__metadata__.spec = JSON.stringify({ ...JSON.parse(h.__metadata__.spec), device });
      });
    expect(inspectWeights(naming('tower')).spec.device).toBeNull();
    expect(inspectWeights(naming('gpu')).spec.device).toBe('gpu');
  });
});
