// A language model of random weights as a safetensors file, such as `POST /v1/models` takes: generation costs what it costs after training.
import { jobSpec } from '@unfold/contracts';
import { createNumbers } from '../model.mjs';

const gates = { elman: 1, gru: 3, lstm: 4 };

/** Printable characters, of which each is one token. */
const tokensOf = (count) =>
  Array.from({ length: count }, (_, k) => String.fromCodePoint(k < 95 ? 32 + k : 0x4e00 + k));

/** Names and shapes as PyTorch has them; the first layer reads its token one-hot. */
function shapesOf({ cell, layers, hidden, vocabulary }) {
  const rows = gates[cell] * hidden;
  const recurrent = Array.from({ length: layers }, (_, k) => [
    [`rnn.weight_ih_l${k}`, [rows, k === 0 ? vocabulary : hidden]],
    [`rnn.weight_hh_l${k}`, [rows, hidden]],
    [`rnn.bias_ih_l${k}`, [rows]],
    [`rnn.bias_hh_l${k}`, [rows]],
  ]);
  return [...recurrent.flat(), ['decoder.weight', [vocabulary, hidden]], ['decoder.bias', [vocabulary]]];
}

/** The bytes of the file; weights uniform in ±1/√H. */
export function randomModel(model) {
  const spec = jobSpec.parse({
    file: `file-${'0'.repeat(26)}`,
    model: { cell: model.cell, hidden_size: model.hidden, num_layers: model.layers },
  });
  const tokenizer = { level: 'char', tokens: tokensOf(model.vocabulary) };
  const header = { __metadata__: { spec: JSON.stringify(spec), tokenizer: JSON.stringify(tokenizer) } };
  let end = 0;
  for (const [name, shape] of shapesOf(model)) {
    const begin = end;
    end += 4 * shape.reduce((a, b) => a * b, 1);
    header[name] = { dtype: 'F32', shape, data_offsets: [begin, end] };
  }
  const next = createNumbers();
  const values = Float32Array.from({ length: end / 4 }, () => next() / Math.sqrt(model.hidden));
  const text = JSON.stringify(header);
  const head = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(head.length));
  return Buffer.concat([length, head, Buffer.from(values.buffer)]);
}
