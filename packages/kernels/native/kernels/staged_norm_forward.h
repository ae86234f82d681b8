/** Normalisation of a staged layer's products, over rows or over columns, on the way forward. */
#pragma once

#include "staged_cells.h"

namespace unfold {
namespace UNFOLD_SET {

struct StagedNorm {
  const Context& context;
  const ForwardCall& call;
  StagedLayer layer;
  /** Whether all steps are kept, or one. */
  bool keep;
  /** Room for the rows of a step that are no padding. */
  int32_t* present;
  /** Inference: the last step that has seen a batch. */
  int last_seen;

  const RecurrentSizes& sizes() const { return call.sizes; }
  ptrdiff_t row_of(int t, int n) const { return static_cast<ptrdiff_t>(keep ? t : 0) * sizes().N + n; }

  // Normalisation of a segment: `which` is 0 for U x, 1 and 2 for the recurrent segments, 3 for c. `offset` in the moments, in columns of PyTorch's order.

  float* values_of(int which, int t) const {
    const ptrdiff_t first = row_of(t, 0);
    if (which == 3) return layer.room.inner + first * layer.gates.padded();
    return (which == 0 ? layer.room.input : layer.room.hidden) + first * layer.width;
  }
  ptrdiff_t stride_of(int which) const { return which == 3 ? layer.gates.padded() : layer.width; }
  ptrdiff_t moments_of(int which) const {
    const ptrdiff_t all = static_cast<ptrdiff_t>(layer.gates.gates()) * sizes().H;
    return which == 0 ? 0 : which == 3 ? (call.options.recurrent ? 2 : 1) * all : all;
  }
  ptrdiff_t moment_columns() const {
    const ptrdiff_t all = static_cast<ptrdiff_t>(layer.gates.gates()) * sizes().H;
    return (call.options.recurrent ? 2 : 1) * all + (layer.lstm() ? sizes().H : 0);
  }
  float* batch_inverses(int which, int t) const {
    float* const of_step = layer.room.inverses + static_cast<ptrdiff_t>(keep ? t : 0) * layer.inverses_per_step();
    return of_step + (which == 0 ? 0 : which == 3 ? 2 * layer.width : layer.width);
  }

  void normalize_rows(const Segment& segment, int which, int t, int start, int rows) const {
    for (int n = start; n < start + rows; n++) {
      float* const row = values_of(which, t) + n * stride_of(which);
      if (call.options.norm == Norm::layer)
        layer.room.inverses[row_of(t, n) * 4 + which] = normalize_row(layer, segment, row);
      else
        normalize_by_running(segment, which, t, n, row);
    }
  }

  /** The place of step t of this call within its sequences. */
  int time_of(int t) const { return static_cast<int>(lesser<uint32_t>(call.key.first_step, 1u << 30)) + t; }
  int seen_step(int t) const { return lesser(t, last_seen); }

  void normalize_by_running(const Segment& segment, int which, int t, int n, float* row) const {
    const StatisticsCall& moments = call.statistics;
    const int place_in_time = moments.positions == nullptr ? time_of(t) : moments.positions[n];
    const ptrdiff_t from = seen_step(place_in_time) * moment_columns() + moments_of(which);
    const int H = sizes().H;
    for_vectors(layer, segment, [&](int place, int, int block, int j) {
      const ptrdiff_t column = from + static_cast<ptrdiff_t>(segment.gates[j]) * H;
      const Vec inverse = inverse_root(load_units(moments.variance + column, block, H));
      const Vec value = mul(sub(load(row + place), load_units(moments.mean + column, block, H)), inverse);
      store(row + place, block == layer.gates.unit_vectors() - 1 ? mul(value, layer.tail) : value);
    });
  }

  /** What backward will want of running moments, at every step. */
  void keep_running_inverses() const {
    const auto keep_segment = [&](const Segment& segment, int which, int t) {
      const ptrdiff_t from = seen_step(time_of(t)) * moment_columns() + moments_of(which);
      for_vectors(layer, segment, [&](int place, int, int block, int j) {
        const ptrdiff_t column = from + static_cast<ptrdiff_t>(segment.gates[j]) * sizes().H;
        store(batch_inverses(which, t) + place, inverse_root(load_units(call.statistics.variance + column, block, sizes().H)));
      });
    };
    run_parts(context.pool, sizes().T, [&](int t) {
      keep_segment(layer.input, 0, t);
      for (int i = 0; i < layer.segments; i++) keep_segment(layer.hidden[i], 1 + i, t);
      if (layer.room.inner != nullptr) keep_segment(layer.cells(), 3, t);
    });
  }

  void normalize_columns(const Segment& segment, int which, int t, const BatchStep& batch) const {
    float* const values = values_of(which, t);
    const ptrdiff_t stride = stride_of(which);
    const ptrdiff_t from = batch.step * moment_columns() + moments_of(which);
    const Vec share = broadcast(1.0f / static_cast<float>(batch.count));
    const int H = sizes().H;
    run_parts(context.pool, layer.gates.unit_vectors(), [&](int block) {
      for (int j = 0; j < segment.count; j++) {
        const int place = (segment.first + block * segment.count + j) * kWidth;
        Vec sum = broadcast(0.0f);
        for (int r = 0; r < batch.count; r++) sum = add(sum, load(values + batch.rows[r] * stride + place));
        const Vec mean = mul(sum, share);
        Vec squares = broadcast(0.0f);
        for (int r = 0; r < batch.count; r++) {
          const Vec apart = sub(load(values + batch.rows[r] * stride + place), mean);
          squares = fma(apart, apart, squares);
        }
        const Vec variance = mul(squares, share);
        const Vec inverse = inverse_root(variance);
        for (int r = 0; r < batch.count; r++) {
          float* const value = values + batch.rows[r] * stride + place;
          const Vec own = mul(sub(load(value), mean), inverse);
          store(value, block == layer.gates.unit_vectors() - 1 ? mul(own, layer.tail) : own);
        }
        store(batch_inverses(which, t) + place, inverse);
        if (batch.share == 0.0f) continue;
        const ptrdiff_t column = from + static_cast<ptrdiff_t>(segment.gates[j]) * H;
        const Vec moved = broadcast(batch.share);
        const Vec unbiased = mul(variance, broadcast(static_cast<float>(batch.count) / static_cast<float>(batch.count - 1)));
        store_units(call.statistics.mean + column, block, H, zoned(moved, mean, load_units(call.statistics.mean + column, block, H)));
        store_units(call.statistics.variance + column, block, H,
                    zoned(moved, unbiased, load_units(call.statistics.variance + column, block, H)));
      }
    });
  }

  BatchStep batch_of(int t) const {
    BatchStep batch{present, 0, lesser(time_of(t), call.statistics.steps - 1), 0.0f};
    for (int n = 0; n < sizes().N; n++)
      if (!has_ended(call.lengths, n, t)) present[batch.count++] = n;
    // One row says nothing about a variance.
    if (batch.count < 2) return batch;
    float& seen = call.statistics.batches[batch.step];
    seen += 1.0f;
    batch.share = seen > 10.0f ? 0.1f : 1.0f / seen;
    return batch;
  }
};

}  // namespace UNFOLD_SET
}  // namespace unfold
