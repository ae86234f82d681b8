// The character language model that all benchmarks measure: tokens in, layers of one cell, a dense head over the vocabulary.
export const sizes = {
  S: { layers: 1, hidden: 128 },
  M: { layers: 2, hidden: 256 },
  L: { layers: 2, hidden: 512 },
};

/** Layers, units and vocabulary from the options of a command line. */
export function modelOf({ size, cell, layers, hidden, vocabulary }) {
  return { cell, layers: layers ?? sizes[size].layers, hidden: hidden ?? sizes[size].hidden, vocabulary };
}

const gateBlocks = { elman: 1, gru: 3, lstm: 4 };

/** Multiply-adds per token of the products that must be done forwards: the first layer's input is a look-up. */
export function multiplyAdds({ cell, layers, hidden, vocabulary }) {
  return gateBlocks[cell] * (2 * layers - 1) * hidden * hidden + hidden * vocabulary;
}

/** Repeatable numbers in (−1, 1). */
export function createNumbers() {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2147483648 - 1;
  };
}

/** The model's parameters on a backend, uniform in ±1/√H. */
export function createModel(backend, { cell, layers, hidden, vocabulary }) {
  const next = createNumbers();
  const bound = 1 / Math.sqrt(hidden);
  const parameters = [];
  function parameter(role) {
    const made = backend.createParameter(role);
    const size = made.shape.reduce((a, b) => a * b, 1);
    backend.upload(
      made,
      Float32Array.from({ length: size }, () => next() * bound),
    );
    parameters.push(made);
    return made;
  }
  const stack = Array.from({ length: layers }, (_, k) => {
    const layer = {
      cell,
      inputSize: k === 0 ? vocabulary : hidden,
      hiddenSize: hidden,
      input: k === 0 ? 'tokens' : 'dense',
    };
    return {
      layer,
      parameters: {
        weightIh: parameter({ use: 'weight_ih', layer }),
        weightHh: parameter({ use: 'weight_hh', layer }),
        biasIh: parameter({ use: 'recurrent_bias', layer }),
        biasHh: parameter({ use: 'recurrent_bias', layer }),
      },
    };
  });
  const weight = parameter({ use: 'dense', outputs: vocabulary, inputs: hidden });
  const bias = parameter({ use: 'bias', size: vocabulary });
  return { stack, weight, bias, parameters, next };
}

/** States of `sequences` sequences, one { h, c } a layer. */
export function createStates(backend, { stack }, sequences) {
  return stack.map(({ layer }) => ({
    h: backend.createTensor([sequences, layer.hiddenSize]),
    c: layer.cell === 'lstm' ? backend.createTensor([sequences, layer.hiddenSize]) : null,
  }));
}
