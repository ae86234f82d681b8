/**
 * The exponential moving average of a curve, as TensorBoard draws it: divided by the weight that its points have so far, so that it does not
 * begin at zero.
 * @param weight of what came before, from 0 (none) to 1
 */
export const smooth = (values: Float64Array, weight: number): Float64Array => {
  const smoothed = new Float64Array(values.length);
  let sum = 0;
  let total = 0;
  for (let place = 0; place < values.length; place++) {
    sum = weight * sum + (1 - weight) * values[place]!;
    total = weight * total + (1 - weight);
    smoothed[place] = sum / total;
  }
  return smoothed;
};
