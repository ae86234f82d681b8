// Vectors of 4 floats in the compiler's own words, for any processor. The multiply-add is not fused here.
#pragma once

#include <cstdint>
#include <cstring>

namespace unfold {
namespace UNFOLD_SET {

constexpr int kWidth = 4;
constexpr int kRegisters = 16;
constexpr int kDepth = 256;

typedef float Vec __attribute__((vector_size(16)));
typedef int32_t Bits __attribute__((vector_size(16)));

inline Vec load(const float* p) {
  Vec x;
  std::memcpy(&x, p, sizeof x);
  return x;
}
inline void store(float* p, Vec x) { std::memcpy(p, &x, sizeof x); }
inline Vec broadcast(float x) { return Vec{x, x, x, x}; }
inline Vec add(Vec a, Vec b) { return a + b; }
inline Vec sub(Vec a, Vec b) { return a - b; }
inline Vec mul(Vec a, Vec b) { return a * b; }
inline Vec div(Vec a, Vec b) { return a / b; }
inline Vec fma(Vec a, Vec b, Vec c) { return a * b + c; }
inline Vec fnma(Vec a, Vec b, Vec c) { return c - a * b; }
inline Vec choose(Bits condition, Vec a, Vec b) {
  return reinterpret_cast<Vec>((condition & reinterpret_cast<Bits>(a)) | (~condition & reinterpret_cast<Bits>(b)));
}
inline Vec largest(Vec a, Vec b) { return choose(a > b, a, b); }
inline Vec smallest(Vec a, Vec b) { return choose(a < b, a, b); }
inline Vec magnitude(Vec x) {
  const Bits mask = {0x7fffffff, 0x7fffffff, 0x7fffffff, 0x7fffffff};
  return reinterpret_cast<Vec>(reinterpret_cast<Bits>(x) & mask);
}
inline Vec with_sign_of(Vec x, Vec sign) {
  const Bits mask = {INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN};
  return reinterpret_cast<Vec>(reinterpret_cast<Bits>(x) | (reinterpret_cast<Bits>(sign) & mask));
}
inline Vec exponent_bits(Vec shifted) {
  typedef uint32_t Unsigned __attribute__((vector_size(16)));
  return reinterpret_cast<Vec>((reinterpret_cast<Unsigned>(shifted) + 127u) << 23);
}

inline Vec load_part(const float* p, int count) {
  float lanes[4] = {0, 0, 0, 0};
  for (int i = 0; i < count; i++) lanes[i] = p[i];
  return load(lanes);
}
inline void store_part(float* p, Vec x, int count) {
  float lanes[4];
  store(lanes, x);
  for (int i = 0; i < count; i++) p[i] = lanes[i];
}

typedef uint32_t Pairs __attribute__((vector_size(16)));

inline Pairs load_pairs(const uint32_t* p) {
  Pairs x;
  std::memcpy(&x, p, sizeof x);
  return x;
}
inline void store_pairs(uint32_t* p, Pairs x) { std::memcpy(p, &x, sizeof x); }
inline Pairs broadcast_pair(uint32_t x) { return Pairs{x, x, x, x}; }
inline Vec even_part(Pairs x) { return reinterpret_cast<Vec>(x << 16); }
inline Vec odd_part(Pairs x) { return reinterpret_cast<Vec>(x & 0xffff0000u); }
inline Pairs rounded_bits(Vec x) {
  const Pairs bits = reinterpret_cast<Pairs>(x);
  const Pairs number = reinterpret_cast<Pairs>(x == x);
  return ((bits + ((bits >> 16) & 1u) + 0x7fffu) & number) | ((bits | 0x00400000u) & ~number);
}
inline Pairs interleave(Pairs even, Pairs odd) { return (even >> 16) | (odd & 0xffff0000u); }
inline void store_upper_halves(uint16_t* p, Pairs x) {
  for (int i = 0; i < kWidth; i++) p[i] = static_cast<uint16_t>(x[i] >> 16);
}

inline void prefetch(const float* p) { __builtin_prefetch(p); }

}  // namespace UNFOLD_SET
}  // namespace unfold
