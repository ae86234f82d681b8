/** Activations, and their slopes as functions of their values. NaN in, NaN out. */
#pragma once

#include "../simd/elementary.h"
#include "calls.h"

namespace unfold {
namespace UNFOLD_SET {

UNFOLD_INLINE Vec squash(Activation activation, Vec x) {
  switch (activation) {
    case Activation::tanh:
      return hyperbolic_tangent(x);
    case Activation::relu:
      return largest(broadcast(0.0f), x);
    case Activation::sigmoid:
      return sigmoid(x);
    case Activation::softsign:
      break;
  }
  return div(x, add(broadcast(1.0f), magnitude(x)));
}

UNFOLD_INLINE Vec squash_slope(Activation activation, Vec y) {
  const Vec one = broadcast(1.0f);
  switch (activation) {
    case Activation::tanh:
      return fnma(y, y, one);
    case Activation::relu:
      // y times a huge number, held to 1: exactly 1 for every y > 0 that is not denormal, which is flushed anyway.
      return smallest(one, mul(mul(y, broadcast(3e38f)), broadcast(3e38f)));
    case Activation::sigmoid:
      return fnma(y, y, y);
    case Activation::softsign:
      break;
  }
  const Vec rest = sub(one, magnitude(y));
  return mul(rest, rest);
}

/** share · old + (1 − share) · fresh. */
UNFOLD_INLINE Vec zoned(Vec share, Vec old, Vec fresh) { return fma(share, old, mul(sub(broadcast(1.0f), share), fresh)); }

}  // namespace UNFOLD_SET
}  // namespace unfold
