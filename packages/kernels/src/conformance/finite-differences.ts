import { expect } from 'vitest';
import type { Backend, Tensor } from '../backend.ts';

/** Inputs by name; how a parameter's differs from a tensor's is its role. */
type Inputs = Readonly<Record<string, Tensor>>;

/** A function of the inputs, L, and its gradient by every input. */
export interface Problem {
  readonly inputs: Inputs;
  loss(): Promise<number>;
  gradients(): Promise<Readonly<Record<string, Tensor>>>;
}

const step = 1e-4;

/** Compares with the central difference of fourth order, (8 (L(h) − L(−h)) − (L(2h) − L(−2h))) / 12 h. */
export async function checkGradients(backend: Backend, problem: Problem): Promise<void> {
  const gradients = await problem.gradients();
  expect(Object.keys(gradients).toSorted()).toEqual(Object.keys(problem.inputs).toSorted());
  for (const [name, tensor] of Object.entries(problem.inputs)) {
    const gradient = await backend.download(gradients[name]!);
    const values = Float64Array.from(await backend.download(tensor));
    const numeric = new Float64Array(values.length);
    for (let i = 0; i < values.length; i++) {
      const center = values[i]!;
      const at = async (offset: number) => {
        values[i] = center + offset * step;
        backend.upload(tensor, values);
        return problem.loss();
      };
      const near = (await at(1)) - (await at(-1));
      const far = (await at(2)) - (await at(-2));
      numeric[i] = (8 * near - far) / (12 * step);
      values[i] = center;
    }
    backend.upload(tensor, values);
    const size = Math.max(1e-3, ...numeric.map(Math.abs));
    for (const [i, value] of numeric.entries())
      expect(Math.abs(gradient[i]! - value) / size, `${name}[${i}]`).toBeLessThan(1e-7);
  }
}

/** Σ a · b, the loss that gives output a the gradient b. */
export async function dot(backend: Backend, pairs: readonly (readonly [Tensor, Tensor])[]): Promise<number> {
  let sum = 0;
  for (const [a, b] of pairs) {
    const [x, y] = [await backend.download(a), await backend.download(b)];
    for (let i = 0; i < x.length; i++) sum += x[i]! * y[i]!;
  }
  return sum;
}
