/**
 * The products inside the time loops in bfloat16: weights become pairs once per pass, states and gradients once per step. Everything else
 * (sums, gates, cells, states) stays in float32.
 */
#pragma once

#include "pairs.h"
#include "recurrent.h"

namespace unfold {
namespace UNFOLD_SET {

/** One operand pair of a time loop. */
struct PairedProduct {
  /** null: the product is done in float32. */
  const DotTiles* dots;
  Panels panels;
  const uint32_t* weights;
  /** [N, stride]: the rows of the step, rounded. */
  uint32_t* rows;
  int stride;

  /** Rounds a step's rows, of which `a` is number `start`. */
  void set_rows(int start, int count, const float* a, ptrdiff_t a_stride, Segments segments, int K) const {
    pack_pairs(count, a, a_stride, segments, 0, K, rows + static_cast<ptrdiff_t>(start) * stride);
  }

  /** c [count, a panel's columns] += the rows from `start` on times that panel. */
  void multiply(int panel, int start, int count, float* c, ptrdiff_t c_stride) const {
    dot_product(*dots, panels.width_of(panel), count,
                {panels.depth, rows + static_cast<ptrdiff_t>(start) * stride, stride, 1, weights + panels.start(panel), c, c_stride, kWidth,
                 false});
  }
};

constexpr PairedProduct in_float32{nullptr, {0, 0, 0}, nullptr, nullptr, 0};

/** Of rows with K elements and panels of as many rows; in float32 where the context says so. */
inline PairedProduct pair_product(const Context& context, int N, const Panels& panels, const float* weights,
                                  Scratch::Name weights_name, Scratch::Name rows_name) {
  if (context.dots == nullptr) return in_float32;
  const Panels pairs = paired(panels);
  const int stride = pair_stride(panels.depth);
  uint32_t* const packed = context.scratch.words(weights_name, pairs.size());
  pair_panels(context.pool, panels, weights, packed);
  return {context.dots, pairs, packed, context.scratch.words(rows_name, static_cast<size_t>(N) * stride), stride};
}

}  // namespace UNFOLD_SET
}  // namespace unfold
