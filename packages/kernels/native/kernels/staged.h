/**
 * Layers whose steps need a whole product before any cell can be computed: normalised ones (layer or batch), and GRUs with the reset before
 * the product. A step goes in stages over some rows: products, their normalisation, cells. With batch normalisation every stage ends before the
 * next begins, for all rows; else each thread takes its sequences through all steps, as elsewhere.
 */
#pragma once

#include "recurrent_forward.h"

namespace unfold {
namespace UNFOLD_SET {

/** Rows of a product in a buffer: for each block of units `count` vectors, from vector `first` of the buffer's row on. */
struct Segment {
  int first;
  int count;
  /** The slot of a block in the gates that belongs to the segment's first vector. */
  int slot;
  /** PyTorch's gates of its vectors. */
  int gates[4];
};

/** A recurrent product: its segment, and the weights for it. */
struct HiddenSegment : Segment {
  Panels panels;
  const float* weights;
  PairedProduct pairs;
};

/** What a staged layer keeps: products, their normalised values, at last their gradients; rows are [T, N], or [N] where no backward will follow. */
struct StagedRoom {
  /** [rows, width]; U x. */
  float* input;
  /** [rows, width]; W h. */
  float* hidden;
  /** [rows, padded]; LSTM, normalised: c before zoneout. */
  float* inner;
  /** [rows, padded]; reset before: r h₋₁. */
  float* source;
  /** Layer normalisation: [rows, 4]: of input, hidden (two segments) and c. Batch: [T, 2 width + padded]. */
  float* inverses;
};

/** What forward and backward share. */
struct StagedLayer {
  RecurrentSizes sizes;
  LayerOptions options;
  Gates gates;
  StagedRoom room;
  /** G · H padded. */
  int width;
  Segment input;
  HiddenSegment hidden[2];
  int segments;
  /** 1 in the lanes of a last vector of units that are units, 0 beyond. */
  Vec tail;
  /** Arranged as the buffers' rows; null where nothing is normalised. */
  float* gain_ih;
  float* gain_hh;
  float* gain_cell;
  float* bias_cell;

  bool normalized() const { return options.norm != Norm::none; }
  bool lstm() const { return sizes.cell == CellKind::lstm; }
  int inverses_per_step() const { return 2 * width + gates.padded(); }
  Segment cells() const { return {0, 1, 0, {0, 0, 0, 0}}; }
};

/** `slots`: steps that are kept. */
StagedLayer staged_layer(const Context& context, const RecurrentSizes& sizes, const LayerOptions& options,
                         const RecurrentWeights& weights, float* extra, int slots);
/** Makes the products of the recurrent segments, from the weights or from their transposes. */
void set_hidden_weights(const Context& context, StagedLayer& layer, const float* weight_hh, bool turned);

/** c [rows, vectors of the panels] += a · the panels, for rows that begin with number `start`. */
void multiply_rows(const Panels& panels, const float* weights, const PairedProduct& pairs, const float* a, ptrdiff_t a_stride, int K,
                   int start, int rows, float* c, ptrdiff_t c_stride);

/** plain [G·H], or [H], to the order of a buffer's row; and the reverse, adding N rows of sums. */
void arrange(const StagedLayer& layer, const Segment& segment, const float* plain, float* row);
void add_arranged(const StagedLayer& layer, const Segment& segment, const float* sums, int N, ptrdiff_t stride, float* plain);

/** Calls body(place in the buffer's row, place in the row of gates, block, vector of the segment). */
template <class Body>
UNFOLD_INLINE void for_vectors(const StagedLayer& layer, const Segment& segment, const Body& body) {
  const int slots = layer.gates.slots();
  for (int block = 0; block < layer.gates.unit_vectors(); block++)
    for (int j = 0; j < segment.count; j++)
      body((segment.first + block * segment.count + j) * kWidth, (block * slots + segment.slot + j) * kWidth, block, j);
}

/** Layer normalisation of one row in place; returns 1 / √(variance + ε). Lanes beyond the units become 0. */
float normalize_row(const StagedLayer& layer, const Segment& segment, float* row);
/**
 * row: x̂ → ∂L/∂x, from dy = ∂L/∂(gain x̂), which stands where `at(place in the row, place in the gates)` says; sums += dy x̂.
 */
template <class At>
UNFOLD_INLINE void normalize_row_backward(const StagedLayer& layer, const Segment& segment, const float* gain, float inverse, float* row,
                                          float* sums, const At& at) {
  Vec total[2] = {broadcast(0.0f), broadcast(0.0f)};
  for_vectors(layer, segment, [&](int place, int gate, int, int) {
    const Vec dy = load(at(place, gate));
    const Vec x = load(row + place);
    const Vec change = mul(dy, x);
    const Vec scale = load(gain + place);
    store(sums + place, add(load(sums + place), change));
    total[0] = fma(scale, dy, total[0]);
    total[1] = fma(scale, change, total[1]);
  });
  const float share = 1.0f / static_cast<float>(segment.count * layer.sizes.H);
  const Vec mean = broadcast(sum_lanes(total[0]) * share);
  const Vec slope = broadcast(sum_lanes(total[1]) * share);
  for_vectors(layer, segment, [&](int place, int gate, int block, int) {
    const Vec d = sub(mul(load(gain + place), load(at(place, gate))), mean);
    const Vec dx = mul(fnma(load(row + place), slope, d), broadcast(inverse));
    store(row + place, block == layer.gates.unit_vectors() - 1 ? mul(dx, layer.tail) : dx);
  });
}

/** A batch's rows at one time step, and what it does to the running moments. */
struct BatchStep {
  /** The first `count` of these rows are no padding. */
  const int32_t* rows;
  int count;
  /** Where the step's running moments stand, and their share that this batch replaces. */
  int step;
  float share;
};

/** One vector of units' cells from its gates, and the gates' gradients from ∂L/∂h, with all options that need no second look at the row. */
void lstm_cell(const ForwardStep& step, int row, int vector);
void gru_cell(const ForwardStep& step, int row, int vector);
void elman_cell(const ForwardStep& step, int row, int vector);

inline float inverse_root(float variance) { return 1.0f / __builtin_sqrtf(variance + 1e-5f); }

/** 1 / √(variance + ε), lane by lane. */
inline Vec inverse_root(Vec variance) {
  float lanes[kWidth];
  store(lanes, variance);
  for (int i = 0; i < kWidth; i++) lanes[i] = inverse_root(lanes[i]);
  return load(lanes);
}

}  // namespace UNFOLD_SET
}  // namespace unfold
