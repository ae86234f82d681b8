import type { Backend, Parameter, Tensor } from '@unfold/kernels';

/** A x for a place of the network: `x` are tokens (rows of A's table) or vectors (A [outputs, inputs], as torch.nn.Linear). */
export interface LinearForward {
  weight: Parameter;
  bias: Parameter | null;
  /** int […] or real […,inputs]. */
  input: Tensor;
  /** real […,outputs]. */
  output: Tensor;
}

export interface LinearBackward {
  weight: Parameter;
  input: Tensor;
  dOutput: Tensor;
  /** Accumulate; null: frozen. */
  dWeight: Parameter | null;
  dBias: Parameter | null;
}

export const linearForward = (backend: Backend, { weight, bias, input, output }: LinearForward): void => {
  if (weight.role.use === 'embedding') backend.embeddingForward({ table: weight, tokens: input, output });
  else backend.denseForward({ input, weight, bias, output });
};

export const linearBackward = (backend: Backend, call: LinearBackward): void => {
  const { weight, input, dOutput, dWeight, dBias } = call;
  if (dWeight === null && dBias === null) return;
  if (weight.role.use === 'embedding') {
    if (dWeight) backend.embeddingBackward({ tokens: input, dOutput, dTable: dWeight });
  } else backend.denseBackward({ input, weight, dOutput, dInput: null, dWeight, dBias });
};

/**
 * p A for a table A [tokens, outputs] and probabilities p […, tokens]: a look-up that is not sure of its token.
 * @param scratch […, outputs], of which nothing is read
 */
export const mixRows = (
  backend: Backend,
  call: { table: Parameter; weights: Tensor; output: Tensor; scratch: Tensor },
): void =>
  backend.denseBackward({
    input: call.scratch,
    weight: call.table,
    dOutput: call.weights,
    dInput: call.output,
    dWeight: null,
    dBias: null,
  });

/** The gradients of `mixRows`: of the probabilities (null: not wanted), and of the table (accumulates; null: frozen). */
export const mixRowsBackward = (
  backend: Backend,
  call: {
    table: Parameter;
    weights: Tensor;
    dOutput: Tensor;
    dWeights: Tensor | null;
    dTable: Parameter | null;
  },
): void => {
  const { table, weights, dOutput, dWeights, dTable } = call;
  if (dWeights) backend.denseForward({ input: dOutput, weight: table, bias: null, output: dWeights });
  if (dTable)
    backend.denseBackward({
      input: dOutput,
      weight: table,
      dOutput: weights,
      dInput: null,
      dWeight: dTable,
      dBias: null,
    });
};
