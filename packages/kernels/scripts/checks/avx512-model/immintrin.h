/**
 * Stands in for the compiler's <immintrin.h>, so that the sources of the AVX-512 sets run on processors without AVX-512: each intrinsic
 * that native/simd uses, lane by lane as Intel's Software Developer's Manual defines it. Slow, and only for `conformance-avx512.mjs`.
 */
#pragma once

#include <cstdint>
#include <cstring>

typedef float __m512 __attribute__((vector_size(64)));
typedef int32_t __m512i __attribute__((vector_size(64)));
typedef uint32_t model_words __attribute__((vector_size(64)));
typedef __m512i __m512bh;
typedef uint16_t __mmask16;
struct __m256i {
  uint16_t halves[16];
};

enum { _MM_HINT_T0, _MM_HINT_T1, _CMP_UNORD_Q = 3 };
inline void _mm_prefetch(const char*, int) {}

template <class To, class From>
inline To model_cast(From x) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &x, sizeof to);
  return to;
}
template <class T>
inline T model_load(const void* p) {
  T x;
  std::memcpy(&x, p, sizeof x);
  return x;
}
template <class T>
inline T model_choose(__mmask16 mask, T a, T b) {
  for (int i = 0; i < 16; i++) a[i] = mask >> i & 1 ? a[i] : b[i];
  return a;
}

inline __m512 _mm512_set1_ps(float x) { return x - __m512{}; }
inline __m512i _mm512_set1_epi32(int x) { return x - __m512i{}; }
inline __m512i _mm512_castps_si512(__m512 x) { return model_cast<__m512i>(x); }
inline __m512 _mm512_castsi512_ps(__m512i x) { return model_cast<__m512>(x); }

inline __m512 _mm512_loadu_ps(const void* p) { return model_load<__m512>(p); }
inline __m512i _mm512_loadu_si512(const void* p) { return model_load<__m512i>(p); }
inline void _mm512_storeu_ps(void* p, __m512 x) { std::memcpy(p, &x, sizeof x); }
inline void _mm512_storeu_si512(void* p, __m512i x) { std::memcpy(p, &x, sizeof x); }
inline __m512 _mm512_maskz_loadu_ps(__mmask16 mask, const float* p) {
  __m512 x{};
  for (int i = 0; i < 16; i++)
    if (mask >> i & 1) x[i] = p[i];
  return x;
}
inline void _mm512_mask_storeu_ps(float* p, __mmask16 mask, __m512 x) {
  for (int i = 0; i < 16; i++)
    if (mask >> i & 1) p[i] = x[i];
}

inline __m512 _mm512_add_ps(__m512 a, __m512 b) { return a + b; }
inline __m512 _mm512_sub_ps(__m512 a, __m512 b) { return a - b; }
inline __m512 _mm512_mul_ps(__m512 a, __m512 b) { return a * b; }
inline __m512 _mm512_div_ps(__m512 a, __m512 b) { return a / b; }
inline __m512 _mm512_fmadd_ps(__m512 a, __m512 b, __m512 c) {
  for (int i = 0; i < 16; i++) c[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return c;
}
inline __m512 _mm512_fnmadd_ps(__m512 a, __m512 b, __m512 c) { return _mm512_fmadd_ps(-a, b, c); }
// The second operand where one is NaN, or both are zero.
inline __m512 _mm512_max_ps(__m512 a, __m512 b) { return a > b ? a : b; }
inline __m512 _mm512_min_ps(__m512 a, __m512 b) { return a < b ? a : b; }
inline __mmask16 _mm512_cmp_ps_mask(__m512 a, __m512 b, int) {
  __mmask16 mask = 0;
  for (int i = 0; i < 16; i++) mask = static_cast<__mmask16>(mask | (a[i] != a[i] || b[i] != b[i]) << i);
  return mask;
}

inline __m512i _mm512_add_epi32(__m512i a, __m512i b) { return model_cast<__m512i>(model_cast<model_words>(a) + model_cast<model_words>(b)); }
inline __m512i _mm512_and_epi32(__m512i a, __m512i b) { return a & b; }
inline __m512i _mm512_or_epi32(__m512i a, __m512i b) { return a | b; }
inline __m512i _mm512_mask_or_epi32(__m512i source, __mmask16 mask, __m512i a, __m512i b) { return model_choose(mask, a | b, source); }
inline __m512i _mm512_slli_epi32(__m512i x, unsigned count) { return model_cast<__m512i>(model_cast<model_words>(x) << count); }
inline __m512i _mm512_srli_epi32(__m512i x, unsigned count) { return model_cast<__m512i>(model_cast<model_words>(x) >> count); }
inline __m256i _mm512_cvtepi32_epi16(__m512i x) {
  __m256i low;
  for (int i = 0; i < 16; i++) low.halves[i] = static_cast<uint16_t>(x[i]);
  return low;
}
inline void _mm256_storeu_si256(__m256i* p, __m256i x) { std::memcpy(static_cast<void*>(p), &x, sizeof x); }

/** VDPBF16PS: the upper element of a pair first, then the lower one. */
inline __m512 _mm512_dpbf16_ps(__m512 sum, __m512bh a, __m512bh b) {
  const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
  sum = _mm512_fmadd_ps(_mm512_castsi512_ps(a & upper), _mm512_castsi512_ps(b & upper), sum);
  return _mm512_fmadd_ps(_mm512_castsi512_ps(_mm512_slli_epi32(a, 16)), _mm512_castsi512_ps(_mm512_slli_epi32(b, 16)), sum);
}
