// What the processor can do at best: multiply-adds on registers alone, by all threads; and reading, by one.
#include "pointwise.h"
#include "tile.h"

namespace unfold {
namespace UNFOLD_SET {

double ceiling(const Context& context, int64_t repetitions) {
  constexpr int kChains = 12;
  const int threads = context.pool.threads();
  float* const seen = context.scratch.floats(Scratch::sums, static_cast<size_t>(threads) * kWidth);
  run_parts(context.pool, threads, [&](int part) {
    Vec sums[kChains];
    for (int i = 0; i < kChains; i++) sums[i] = broadcast(static_cast<float>(i));
    const Vec x = broadcast(0.999999f);
    const Vec y = broadcast(1e-6f);
    for (int64_t k = 0; k < repetitions; k++) {
      UNFOLD_UNROLL
      for (int i = 0; i < 8; i++) sums[i] = fma(sums[i], x, y);
      UNFOLD_UNROLL
      for (int i = 8; i < kChains; i++) sums[i] = fma(sums[i], x, y);
    }
    for (int i = 1; i < kChains; i++) sums[0] = add(sums[0], sums[i]);
    store(seen + part * kWidth, sums[0]);
  });
  return static_cast<double>(repetitions) * kChains * kWidth * threads;
}

double reading(const Context& context, size_t count, int passes) {
  constexpr int kStreams = 8;
  const float* const from = context.scratch.floats(Scratch::weights, count);
  Vec sums[kStreams];
  for (int i = 0; i < kStreams; i++) sums[i] = broadcast(0.0f);
  for (int pass = 0; pass < passes; pass++) {
    for (size_t at = 0; at + kStreams * kWidth <= count; at += kStreams * kWidth) {
      UNFOLD_UNROLL
      for (int i = 0; i < kStreams; i++) sums[i] = add(sums[i], load(from + at + i * kWidth));
    }
  }
  for (int i = 1; i < kStreams; i++) sums[0] = add(sums[0], sums[i]);
  return static_cast<double>(sum_lanes(sums[0]));
}

}  // namespace UNFOLD_SET
}  // namespace unfold
