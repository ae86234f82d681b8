// Vectors of 4 floats: 64-bit Arm's NEON, which every such processor has.
#pragma once

#include <arm_neon.h>

namespace unfold {
namespace UNFOLD_SET {

constexpr int kWidth = 4;
constexpr int kRegisters = 32;
constexpr int kDepth = 256;

using Vec = float32x4_t;

inline Vec load(const float* p) { return vld1q_f32(p); }
inline void store(float* p, Vec x) { vst1q_f32(p, x); }
inline Vec broadcast(float x) { return vdupq_n_f32(x); }
inline Vec add(Vec a, Vec b) { return vaddq_f32(a, b); }
inline Vec sub(Vec a, Vec b) { return vsubq_f32(a, b); }
inline Vec mul(Vec a, Vec b) { return vmulq_f32(a, b); }
inline Vec div(Vec a, Vec b) { return vdivq_f32(a, b); }
inline Vec fma(Vec a, Vec b, Vec c) { return vfmaq_f32(c, a, b); }
inline Vec fnma(Vec a, Vec b, Vec c) { return vfmsq_f32(c, a, b); }
// NEON's own maximum and minimum hand NaN on from either side, which is more than is asked.
inline Vec largest(Vec a, Vec b) { return vmaxq_f32(a, b); }
inline Vec smallest(Vec a, Vec b) { return vminq_f32(a, b); }
inline Vec magnitude(Vec x) { return vabsq_f32(x); }
inline Vec with_sign_of(Vec x, Vec sign) {
  const uint32x4_t bit = vandq_u32(vreinterpretq_u32_f32(sign), vdupq_n_u32(0x80000000u));
  return vreinterpretq_f32_u32(vorrq_u32(vreinterpretq_u32_f32(x), bit));
}
inline Vec exponent_bits(Vec shifted) {
  const int32x4_t n = vreinterpretq_s32_f32(shifted);
  return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(n, vdupq_n_s32(127)), 23));
}

inline Vec load_part(const float* p, int count) {
  float lanes[4] = {0, 0, 0, 0};
  for (int i = 0; i < count; i++) lanes[i] = p[i];
  return vld1q_f32(lanes);
}
inline void store_part(float* p, Vec x, int count) {
  float lanes[4];
  vst1q_f32(lanes, x);
  for (int i = 0; i < count; i++) p[i] = lanes[i];
}

using Pairs = uint32x4_t;

inline Pairs load_pairs(const uint32_t* p) { return vld1q_u32(p); }
inline void store_pairs(uint32_t* p, Pairs x) { vst1q_u32(p, x); }
inline Pairs broadcast_pair(uint32_t x) { return vdupq_n_u32(x); }
inline Vec even_part(Pairs x) { return vreinterpretq_f32_u32(vshlq_n_u32(x, 16)); }
inline Vec odd_part(Pairs x) { return vreinterpretq_f32_u32(vandq_u32(x, vdupq_n_u32(0xffff0000u))); }
inline Pairs rounded_bits(Vec x) {
  const uint32x4_t bits = vreinterpretq_u32_f32(x);
  const uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
  const uint32x4_t nearest = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff)));
  return vbslq_u32(vceqq_f32(x, x), nearest, vorrq_u32(bits, vdupq_n_u32(0x00400000)));
}
inline Pairs interleave(Pairs even, Pairs odd) { return vsriq_n_u32(odd, even, 16); }
inline void store_upper_halves(uint16_t* p, Pairs x) { vst1_u16(p, vshrn_n_u32(x, 16)); }

inline void prefetch(const float* p) { __builtin_prefetch(p); }

}  // namespace UNFOLD_SET
}  // namespace unfold
