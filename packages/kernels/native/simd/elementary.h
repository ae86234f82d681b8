/**
 * Elementary functions on vectors, from arithmetic alone: no library decides their bits. Relative errors are below 3e-7. NaN in,
 * NaN out.
 */
#pragma once

#include "simd.h"

namespace unfold {
namespace UNFOLD_SET {

/** x = n ln 2 + r with whole n and |r| ≤ ln 2 / 2; `power` is 2ⁿ and `tail` is eʳ − 1 − r. −88 ≤ x ≤ 88.3. */
struct Reduced {
  Vec r;
  Vec tail;
  Vec power;
};

/** Cody and Waite's reduction and the polynomial of Cephes' expf (Moshier). */
inline Reduced reduce(Vec x) {
  // Adding 1.5 · 2²³ rounds to a whole number and leaves it in the lowest bits.
  const Vec magic = broadcast(12582912.0f);
  const Vec shifted = fma(x, broadcast(1.44269504f), magic);
  const Vec n = sub(shifted, magic);
  Vec r = fnma(n, broadcast(0.693359375f), x);
  r = fnma(n, broadcast(-2.12194440e-4f), r);
  Vec p = broadcast(1.9875691500e-4f);
  p = fma(p, r, broadcast(1.3981999507e-3f));
  p = fma(p, r, broadcast(8.3334519073e-3f));
  p = fma(p, r, broadcast(4.1665795894e-2f));
  p = fma(p, r, broadcast(1.6666665459e-1f));
  p = fma(p, r, broadcast(5.0000001201e-1f));
  return {r, mul(mul(r, r), p), exponent_bits(shifted)};
}

/** eˣ; 0 below −87.7, and never infinite: above 88.3 it stays at 2.2e38. */
inline Vec exponential(Vec x) {
  const Reduced e = reduce(smallest(broadcast(88.3f), largest(broadcast(-88.0f), x)));
  return mul(add(broadcast(1.0f), add(e.r, e.tail)), e.power);
}

/** 1 / (1 + e⁻ˣ). */
inline Vec sigmoid(Vec x) {
  const Vec one = broadcast(1.0f);
  return div(one, add(one, exponential(sub(broadcast(0.0f), x))));
}

/** tanh x = −m / (2 + m) with m = e^(−2|x|) − 1, formed without cancellation, so that small x keep their digits. */
inline Vec hyperbolic_tangent(Vec x) {
  const Reduced e = reduce(largest(broadcast(-88.0f), mul(broadcast(-2.0f), magnitude(x))));
  const Vec m = fma(e.power, add(e.r, e.tail), sub(e.power, broadcast(1.0f)));
  return with_sign_of(div(sub(broadcast(0.0f), m), add(broadcast(2.0f), m)), x);
}

}  // namespace UNFOLD_SET
}  // namespace unfold
