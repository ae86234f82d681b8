// Generation: one step of every layer, the logits, and a draw from their softmax, for some streams at once. What `bench:generate` and
// `bench:compare` time.
import { createModel, createStates } from './model.mjs';

/** Makes the model and returns { step(), weightBytes }: at a call, one token for every stream. */
export function createGeneration(backend, model, streams) {
  const { vocabulary: V } = model;
  const made = createModel(backend, model);
  const states = createStates(backend, made, streams);
  const tokens = backend.createTensor([streams], 'int');
  const logits = backend.createTensor([streams, V]);
  const drawn = new Int32Array(streams);

  async function step() {
    let input = tokens;
    made.stack.forEach(({ layer, parameters }, k) => {
      const { h, c } = states[k];
      backend.recurrentStep({ layer, parameters, input, h, c });
      input = h;
    });
    backend.denseForward({ input, weight: made.weight, bias: made.bias, output: logits });
    backend.logSoftmax({ logits, output: logits });
    const values = await backend.download(logits);
    for (let n = 0; n < streams; n++) {
      let left = Math.random();
      let token = 0;
      while (token < V - 1 && (left -= Math.exp(values[n * V + token])) > 0) token++;
      drawn[n] = token;
    }
    backend.upload(tokens, drawn);
  }
  return { step, weightBytes: streamedBytes(made) };
}

/** Bytes of weights that a step must read: all but the first layer's table, of which it reads a row. */
function streamedBytes({ stack, weight }) {
  const elements = ({ shape }) => shape.reduce((a, b) => a * b, 1);
  const layers = stack.map(
    ({ layer, parameters: { weightIh, weightHh } }) =>
      elements(weightHh) + (layer.input === 'tokens' ? weightIh.shape[0] : elements(weightIh)),
  );
  return 4 * layers.reduce((a, b) => a + b, elements(weight));
}
