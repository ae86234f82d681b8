/**
 * Products in bfloat16, the upper half of a float32: what every set makes of its own `Pairs`.
 *
 * A lane of `Pairs` holds two neighbours along k: the one with even k in its lower half, the other above it. Rounding is to the nearest,
 * ties to even; NaN stays NaN.
 */
#pragma once

#include "simd.h"

namespace unfold {
namespace UNFOLD_SET {

inline Pairs pair_up(Vec even, Vec odd) { return interleave(rounded_bits(even), rounded_bits(odd)); }

/**
 * (acc + a₁ b₁) + a₀ b₀, each sum rounded to the nearest float32, denormals as zero (the callers' threads flush them): VDPBF16PS as the
 * Intel 64 and IA-32 Architectures Software Developer's Manual defines it, volume 2. A product of two bf16 has 16 significant bits
 * and is exact in float32, so that a multiply-add that is not fused gives the same sum, unless the product leaves float32's range.
 * Arm's BFDOT rounds differently (to odd, and the pair's sum before it is accumulated) and is therefore not used.
 */
inline Vec dot_pairs(Vec acc, Pairs a, Pairs b) {
#if defined(UNFOLD_AVX512_BF16)
  return _mm512_dpbf16_ps(acc, (__m512bh)a, (__m512bh)b);
#else
  return fma(even_part(a), even_part(b), fma(odd_part(a), odd_part(b), acc));
#endif
}

}  // namespace UNFOLD_SET
}  // namespace unfold
