// Vectors of 8 floats: AVX2 with fused multiply-add.
#pragma once

#include <immintrin.h>

namespace unfold {
namespace UNFOLD_SET {

constexpr int kWidth = 8;
constexpr int kRegisters = 16;
/** Steps of K after which a product moves on to the next rows: a panel's part of this height is as large as the first cache. */
constexpr int kDepth = 256;

using Vec = __m256;

inline Vec load(const float* p) { return _mm256_loadu_ps(p); }
inline void store(float* p, Vec x) { _mm256_storeu_ps(p, x); }
inline Vec broadcast(float x) { return _mm256_set1_ps(x); }
inline Vec add(Vec a, Vec b) { return _mm256_add_ps(a, b); }
inline Vec sub(Vec a, Vec b) { return _mm256_sub_ps(a, b); }
inline Vec mul(Vec a, Vec b) { return _mm256_mul_ps(a, b); }
inline Vec div(Vec a, Vec b) { return _mm256_div_ps(a, b); }
inline Vec fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
inline Vec fnma(Vec a, Vec b, Vec c) { return _mm256_fnmadd_ps(a, b, c); }
inline Vec largest(Vec a, Vec b) { return _mm256_max_ps(a, b); }
inline Vec smallest(Vec a, Vec b) { return _mm256_min_ps(a, b); }
inline Vec magnitude(Vec x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x); }
inline Vec with_sign_of(Vec x, Vec sign) {
  return _mm256_or_ps(x, _mm256_and_ps(_mm256_set1_ps(-0.0f), sign));
}
inline Vec exponent_bits(Vec shifted) {
  const __m256i n = _mm256_castps_si256(shifted);
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}

inline __m256i lanes_below(int count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
inline Vec load_part(const float* p, int count) { return _mm256_maskload_ps(p, lanes_below(count)); }
inline void store_part(float* p, Vec x, int count) { _mm256_maskstore_ps(p, lanes_below(count), x); }

using Pairs = __m256i;

inline Pairs load_pairs(const uint32_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
inline void store_pairs(uint32_t* p, Pairs x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x); }
inline Pairs broadcast_pair(uint32_t x) { return _mm256_set1_epi32(static_cast<int>(x)); }
inline Vec even_part(Pairs x) { return _mm256_castsi256_ps(_mm256_slli_epi32(x, 16)); }
inline Vec odd_part(Pairs x) {
  return _mm256_castsi256_ps(_mm256_and_si256(x, _mm256_set1_epi32(static_cast<int>(0xffff0000u))));
}
inline Pairs rounded_bits(Vec x) {
  const __m256i bits = _mm256_castps_si256(x);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i nearest = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x00400000));
  return _mm256_blendv_epi8(nearest, quiet, _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q)));
}
inline Pairs interleave(Pairs even, Pairs odd) { return _mm256_blend_epi16(_mm256_srli_epi32(even, 16), odd, 0xaa); }
inline void store_upper_halves(uint16_t* p, Pairs x) {
  const __m256i halves = _mm256_srli_epi32(x, 16);
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(halves, halves), 0x08);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_castsi256_si128(packed));
}

inline void prefetch(const float* p) { _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T0); }

}  // namespace UNFOLD_SET
}  // namespace unfold
