// Takes the place of the compiler's header: AVX-512's functions as SIMDe emulates them, so that the kernels written with them run on
// any processor. What SIMDe lacks is written out here as Intel's Intrinsics Guide describes it.
#pragma once

#define SIMDE_ENABLE_NATIVE_ALIASES
#define SIMDE_NO_NATIVE
#include <simde/x86/avx512.h>
#include <simde/x86/fma.h>

using __mmask16 = simde__mmask16;

/** Lanes whose bit is not set become 0, and their memory is not read. */
inline __m512 _mm512_maskz_loadu_ps(__mmask16 mask, const void* memory) {
  float lanes[16] = {};
  for (int i = 0; i < 16; i++)
    if (mask >> i & 1) lanes[i] = static_cast<const float*>(memory)[i];
  return _mm512_loadu_ps(lanes);
}

/** Lanes whose bit is not set leave memory as it is. */
inline void _mm512_mask_storeu_ps(void* memory, __mmask16 mask, __m512 x) {
  float lanes[16];
  _mm512_storeu_ps(lanes, x);
  for (int i = 0; i < 16; i++)
    if (mask >> i & 1) static_cast<float*>(memory)[i] = lanes[i];
}

/** The lower halves of all lanes. */
inline __m256i _mm512_cvtepi32_epi16(__m512i x) {
  uint32_t lanes[16];
  uint16_t halves[16];
  _mm512_storeu_si512(lanes, x);
  for (int i = 0; i < 16; i++) halves[i] = static_cast<uint16_t>(lanes[i]);
  return _mm256_loadu_si256(halves);
}

// SIMDe adds both products of a lane before it adds them to the sum, which rounds otherwise.
#undef _mm512_dpbf16_ps

/** Two products a lane, the one of the upper halves added first, each sum rounded. */
inline __m512 _mm512_dpbf16_ps(__m512 sum, __m512bh a, __m512bh b) {
  uint32_t x[16], y[16];
  float sums[16];
  __builtin_memcpy(x, &a, sizeof x);
  __builtin_memcpy(y, &b, sizeof y);
  _mm512_storeu_ps(sums, sum);
  const auto value = [](uint32_t upper) {
    float number;
    __builtin_memcpy(&number, &upper, sizeof number);
    return number;
  };
  for (int i = 0; i < 16; i++) {
    sums[i] += value(x[i] & 0xffff0000u) * value(y[i] & 0xffff0000u);
    sums[i] += value(x[i] << 16) * value(y[i] << 16);
  }
  return _mm512_loadu_ps(sums);
}
