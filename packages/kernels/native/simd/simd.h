/**
 * One instruction set's vectors of floats. A source that includes this is compiled once per set, each time inside a namespace
 * of its own (UNFOLD_SET), so that run-time dispatch can choose among them.
 *
 * Such sources call no inline function of the standard library: the linker keeps one copy of those, and that could be the copy
 * compiled for a processor that this machine is not.
 *
 * What every set provides:
 *   Vec, kWidth (its lanes), kRegisters (how many the processor has), kDepth;
 *   load, store, load_part, store_part (the first `count` lanes, 0 ≤ count ≤ kWidth; other lanes load as 0), broadcast;
 *   add, sub, mul, div; fma(a, b, c) = a b + c and fnma(a, b, c) = c − a b, rounded once where the processor can;
 *   largest(a, b) and smallest(a, b): b where either is NaN, so that a limit given first lets NaN through;
 *   magnitude, with_sign_of(x ≥ 0, sign); exponent_bits(v): 2ⁿ from a float whose lowest bits hold the integer n; prefetch;
 *   Pairs: lanes of two bfloat16 (see bf16.h), with load_pairs, store_pairs, broadcast_pair, and the halves as floats, even_part (the lower
 *   one) and odd_part; rounded_bits: floats rounded to bfloat16, in the upper halves of lanes whose lower halves mean nothing;
 *   interleave(even, odd) makes pairs of two such, store_upper_halves writes them one after another.
 */
#pragma once

#include <cstdint>

#if defined(UNFOLD_AVX512_BF16)
#define UNFOLD_SET avx512_bf16
#include "avx512.h"
#elif defined(UNFOLD_AVX512)
#define UNFOLD_SET avx512
#include "avx512.h"
#elif defined(UNFOLD_AVX2)
#define UNFOLD_SET avx2
#include "avx2.h"
#elif defined(UNFOLD_NEON)
#define UNFOLD_SET neon
#include "neon.h"
#else
#define UNFOLD_SET baseline
#include "baseline.h"
#endif

namespace unfold {
namespace UNFOLD_SET {

template <class T>
inline T lesser(T a, T b) {
  return b < a ? b : a;
}

/** The sum of all lanes, always in the same order: neighbours first, as a binary tree. */
inline float sum_lanes(Vec x) {
  float lanes[kWidth];
  store(lanes, x);
  for (int count = kWidth / 2; count > 0; count /= 2)
    for (int i = 0; i < count; i++) lanes[i] = lanes[2 * i] + lanes[2 * i + 1];
  return lanes[0];
}

inline float largest_lane(Vec x) {
  float lanes[kWidth];
  store(lanes, x);
  float most = lanes[0];
  for (int i = 1; i < kWidth; i++) most = lanes[i] > most ? lanes[i] : most;
  return most;
}

}  // namespace UNFOLD_SET
}  // namespace unfold
