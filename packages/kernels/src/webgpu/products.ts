import type { Backend } from '../backend.ts';
import { checkDenseBackward, checkDenseForward, checkMatmul } from '../checks/products.ts';
import type { Products } from './product.ts';
import type { Recorder } from './recorder.ts';
import type { Scratch } from './scratch.ts';
import { addColumnSums } from './sums.ts';
import type { Tensors } from './tensors.ts';

/** Matrix products and dense layers. */
export function productKernels(
  recorder: Recorder,
  scratch: Scratch,
  { multiply, addOuterProduct }: Products,
  { door }: Tensors,
): Pick<Backend, 'matmul' | 'denseForward' | 'denseBackward'> {
  return {
    matmul(call) {
      const { M, K, P, a, b, bias, output, transposeA, transposeB, accumulate } = checkMatmul(door, call);
      multiply({
        a: { place: a, row: transposeA ? 1 : K, column: transposeA ? M : 1 },
        b: { place: b, row: transposeB ? 1 : P, column: transposeB ? K : 1 },
        // Only diagnostics ask for it, of numbers of any size.
        operands: 'exact',
        ...{ output, outputRow: P, M, K, P, bias, accumulate },
      });
    },
    denseForward(call) {
      const { rows, inputs, outputs, input, weight, bias, output } = checkDenseForward(door, call);
      multiply({
        a: { place: input, row: inputs, column: 1 },
        b: { place: weight, row: 1, column: inputs },
        ...{ output, outputRow: outputs, M: rows, K: inputs, P: outputs, bias },
      });
    },
    denseBackward(call) {
      const checked = checkDenseBackward(door, call);
      const { rows, inputs, outputs, input, weight, dOutput, dInput, dWeight, dBias } = checked;
      if (dWeight)
        addOuterProduct({
          operands: 'gradients',
          a: { place: dOutput, row: 1, column: outputs },
          b: { place: input, row: inputs, column: 1 },
          ...{ output: dWeight, M: outputs, K: rows, P: inputs },
        });
      if (dBias)
        addColumnSums(recorder, scratch, rows, { place: dOutput, row: outputs, count: outputs }, dBias);
      if (dInput)
        multiply({
          operands: 'gradients',
          a: { place: dOutput, row: outputs, column: 1 },
          b: { place: weight, row: inputs, column: 1 },
          ...{ output: dInput, outputRow: inputs, M: rows, K: outputs, P: inputs },
        });
    },
  };
}
