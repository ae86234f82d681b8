// Vectors of 16 floats: AVX-512F.
#pragma once

#include <immintrin.h>

namespace unfold {
namespace UNFOLD_SET {

constexpr int kWidth = 16;
constexpr int kRegisters = 32;
constexpr int kDepth = 512;

using Vec = __m512;

inline Vec load(const float* p) { return _mm512_loadu_ps(p); }
inline void store(float* p, Vec x) { _mm512_storeu_ps(p, x); }
inline Vec broadcast(float x) { return _mm512_set1_ps(x); }
inline Vec add(Vec a, Vec b) { return _mm512_add_ps(a, b); }
inline Vec sub(Vec a, Vec b) { return _mm512_sub_ps(a, b); }
inline Vec mul(Vec a, Vec b) { return _mm512_mul_ps(a, b); }
inline Vec div(Vec a, Vec b) { return _mm512_div_ps(a, b); }
inline Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
inline Vec fnma(Vec a, Vec b, Vec c) { return _mm512_fnmadd_ps(a, b, c); }
inline Vec largest(Vec a, Vec b) { return _mm512_max_ps(a, b); }
inline Vec smallest(Vec a, Vec b) { return _mm512_min_ps(a, b); }
inline Vec magnitude(Vec x) {
  return _mm512_castsi512_ps(_mm512_and_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff)));
}
inline Vec with_sign_of(Vec x, Vec sign) {
  const __m512i bit = _mm512_and_epi32(_mm512_castps_si512(sign), _mm512_set1_epi32(static_cast<int>(0x80000000u)));
  return _mm512_castsi512_ps(_mm512_or_epi32(_mm512_castps_si512(x), bit));
}
inline Vec exponent_bits(Vec shifted) {
  const __m512i n = _mm512_castps_si512(shifted);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(n, _mm512_set1_epi32(127)), 23));
}

inline __mmask16 lanes_below(int count) { return static_cast<__mmask16>((1u << count) - 1u); }
inline Vec load_part(const float* p, int count) { return _mm512_maskz_loadu_ps(lanes_below(count), p); }
inline void store_part(float* p, Vec x, int count) { _mm512_mask_storeu_ps(p, lanes_below(count), x); }

using Pairs = __m512i;

inline Pairs load_pairs(const uint32_t* p) { return _mm512_loadu_si512(p); }
inline void store_pairs(uint32_t* p, Pairs x) { _mm512_storeu_si512(p, x); }
inline Pairs broadcast_pair(uint32_t x) { return _mm512_set1_epi32(static_cast<int>(x)); }
inline Vec even_part(Pairs x) { return _mm512_castsi512_ps(_mm512_slli_epi32(x, 16)); }
inline Vec odd_part(Pairs x) {
  return _mm512_castsi512_ps(_mm512_and_epi32(x, _mm512_set1_epi32(static_cast<int>(0xffff0000u))));
}
inline Pairs rounded_bits(Vec x) {
  const __m512i bits = _mm512_castps_si512(x);
  const __m512i odd = _mm512_and_epi32(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i nearest = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  return _mm512_mask_or_epi32(nearest, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), bits, _mm512_set1_epi32(0x00400000));
}
inline Pairs interleave(Pairs even, Pairs odd) {
  return _mm512_or_epi32(_mm512_srli_epi32(even, 16), _mm512_and_epi32(odd, _mm512_set1_epi32(static_cast<int>(0xffff0000u))));
}
inline void store_upper_halves(uint16_t* p, Pairs x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(_mm512_srli_epi32(x, 16)));
}

inline void prefetch(const float* p) { _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T1); }

}  // namespace UNFOLD_SET
}  // namespace unfold
