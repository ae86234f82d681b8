/** Matrix products of whole sequences: forward, and for the gradients of weights and biases. */
#pragma once

#include "panels.h"

namespace unfold {
namespace UNFOLD_SET {

/** c [M, columns] = bias + a [M,K] · b, or c += a · b. */
struct Product {
  int M, K;
  const float* a;
  ptrdiff_t a_stride;
  Segments a_segments;
  const float* b;
  Panels panels;
  /** Laid out as a row of c; null: zeros. Not used where the product accumulates. */
  const float* bias;
  float* c;
  ptrdiff_t c_stride;
  /** What stands between a row's panels in c: their width, or more where other columns lie between. */
  int c_panel_stride;
  /** Lanes of the last vector that c has room for. */
  int last_lanes;
  bool accumulate;
};

/** In bfloat16 where the context says so, as `gradient_product`. */
void product(const Context& context, const Product& call);

/** Lanes of the last vector of a plain row. */
inline int lanes_of(int columns) { return columns - (vectors_for(columns) - 1) * kWidth; }

/** dw += xᵀ dy: dw in panels of K = `inputs`, x [rows, inputs], dy [rows, columns]. */
struct GradientProduct {
  int rows, inputs;
  const float* x;
  ptrdiff_t x_stride;
  const float* dy;
  ptrdiff_t dy_stride;
  int dy_panel_stride;
  int last_lanes;
  float* dw;
  Panels panels;
};

void gradient_product(const Context& context, const GradientProduct& call);

/** sums[column] = Σ over rows of dy, in blocks of rows; `sums` has room for whole vectors. */
void column_sums(Pool& pool, int rows, const float* dy, ptrdiff_t stride, int columns, float* sums);

}  // namespace UNFOLD_SET
}  // namespace unfold
