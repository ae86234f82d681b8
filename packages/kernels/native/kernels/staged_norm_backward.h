/** Back through the normalisation of a staged layer's products. */
#pragma once

#include "staged_cells.h"

namespace unfold {
namespace UNFOLD_SET {

/** Sums of parameters' gradients: each sequence's own, or with batch normalisation one row for all. */
struct StagedSums {
  int rows;
  ptrdiff_t stride;
  float* gain_ih;
  float* gain_hh;
  float* gain_cell;
  float* bias_cell;
  float* peephole;
};

struct StagedNormBackward {
  const Context& context;
  const BackwardCall& call;
  StagedLayer layer;
  /** ∂L/∂h_t, later ∂L/∂(gain ĉ + bias), [N, padded]. */
  float* dh;
  StagedSums sums;
  /** Room for the rows of a step that are no padding. */
  int32_t* present;

  const RecurrentSizes& sizes() const { return call.sizes; }
  ptrdiff_t row_of(int t, int n) const { return static_cast<ptrdiff_t>(t) * sizes().N + n; }
  int blocks() const { return layer.gates.unit_vectors(); }
  ptrdiff_t padded() const { return layer.gates.padded(); }
  float* gates_of(int t, int n) const { return call.saved.gates + row_of(t, n) * layer.gates.columns(); }

  /** Calls body(row) for the rows that have a step t. */
  template <class Body>
  void for_living(int t, int start, int rows, const Body& body) const {
    for (int r = 0; r < rows; r++)
      if (!has_ended(call.lengths, start + r, t)) body(r);
  }

  // Normalised products back; `which` as in the forward pass.

  float* values_of(int which, int t) const {
    const ptrdiff_t first = row_of(t, 0);
    if (which == 3) return layer.room.inner + first * padded();
    return (which == 0 ? layer.room.input : layer.room.hidden) + first * layer.width;
  }
  ptrdiff_t stride_of(int which) const { return which == 3 ? padded() : layer.width; }
  float* sums_of(int which) const { return which == 0 ? sums.gain_ih : which == 3 ? sums.gain_cell : sums.gain_hh; }
  const float* gain_of(int which) const { return which == 0 ? layer.gain_ih : which == 3 ? layer.gain_cell : layer.gain_hh; }

  void rows_back(const Segment& segment, int which, int t, int start, int rows) const {
    for_living(t, start, rows, [&](int r) {
      const int n = start + r;
      float* const row = values_of(which, t) + n * stride_of(which);
      const float* const from = which == 3 ? dh + n * padded() : gates_of(t, n);
      if (which == 3) add_to_bias(n, from);
      if (!layer.normalized()) {
        for_vectors(layer, segment, [&](int place, int gate, int, int) { store(row + place, load(from + gate)); });
        return;
      }
      normalize_row_backward(layer, segment, gain_of(which), layer.room.inverses[row_of(t, n) * 4 + which], row,
                             sums_of(which) + n * sums.stride, [&](int place, int gate) { return from + (which == 3 ? place : gate); });
    });
  }

  void add_to_bias(int n, const float* from) const {
    float* const total = sums.bias_cell + n * sums.stride;
    for (int block = 0; block < blocks(); block++)
      store(total + block * kWidth, add(load(total + block * kWidth), load(from + block * kWidth)));
  }

  /** As over rows, but column by column; moments that are running ones are constants. */
  void columns_back(const Segment& segment, int which, int t, int count) const {
    const ptrdiff_t stride = stride_of(which);
    float* const values = values_of(which, t);
    const float* const inverses =
        layer.room.inverses + static_cast<ptrdiff_t>(t) * layer.inverses_per_step() + (which == 0 ? 0 : which == 3 ? 2 * layer.width : layer.width);
    const int slots = layer.gates.slots();
    const Vec share = broadcast(call.key.training && count > 0 ? 1.0f / static_cast<float>(count) : 0.0f);
    run_parts(context.pool, blocks(), [&](int block) {
      for (int j = 0; j < segment.count; j++) {
        const int place = (segment.first + block * segment.count + j) * kWidth;
        const int gate = (block * slots + segment.slot + j) * kWidth;
        const auto from = [&](int r) { return which == 3 ? dh + present[r] * padded() + place : gates_of(t, present[r]) + gate; };
        Vec sum = broadcast(0.0f);
        Vec product = broadcast(0.0f);
        for (int r = 0; r < count; r++) {
          const Vec dy = load(from(r));
          sum = add(sum, dy);
          product = fma(dy, load(values + present[r] * stride + place), product);
        }
        float* const total = sums_of(which) + place;
        store(total, add(load(total), product));
        if (which == 3) store(sums.bias_cell + place, add(load(sums.bias_cell + place), sum));
        const Vec mean = mul(sum, share);
        const Vec slope = mul(product, share);
        const Vec scale = mul(load(gain_of(which) + place), load(inverses + place));
        for (int r = 0; r < count; r++) {
          float* const value = values + present[r] * stride + place;
          const Vec dx = mul(fnma(load(value), slope, sub(load(from(r)), mean)), scale);
          store(value, block == blocks() - 1 ? mul(dx, layer.tail) : dx);
        }
      }
    });
  }
};

}  // namespace UNFOLD_SET
}  // namespace unfold
