#include "staged.h"

namespace unfold {
namespace UNFOLD_SET {
namespace {

StagedRoom rooms(const RecurrentSizes& s, const LayerOptions& options, float* extra, size_t slots, size_t& size) {
  const Gates gates{s.cell, s.H};
  const size_t padded = static_cast<size_t>(gates.padded());
  const size_t width = padded * static_cast<size_t>(gates.gates());
  const size_t rows = slots * static_cast<size_t>(s.N);
  const bool normalized = options.norm != Norm::none;
  size_t at = 0;
  const auto next = [&](bool wanted, size_t count) -> float* {
    if (!wanted) return nullptr;
    float* const here = extra == nullptr ? nullptr : extra + at;
    at += (count + 15) / 16 * 16;
    return here;
  };
  StagedRoom room{};
  room.input = next(true, rows * width);
  room.hidden = next(options.recurrent, rows * width);
  room.inner = next(normalized && s.cell == CellKind::lstm, rows * padded);
  room.source = next(options.reset_before, rows * padded);
  room.inverses = next(normalized, options.norm == Norm::batch ? slots * (2 * width + padded) : rows * 4);
  size = at;
  return room;
}

float* arranged(const StagedLayer& layer, const Segment& segment, const float* plain, float*& room) {
  if (plain == nullptr) return nullptr;
  float* const row = room;
  arrange(layer, segment, plain, row);
  room += layer.width;
  return row;
}

/** The panels of a segment of a GRU's recurrent weights, whose panels hold three gates. */
void split_panels(Pool& pool, const Gates& gates, const float* source, const HiddenSegment& segment, float* target) {
  const Panels from = gates.panels(gates.H);
  run_parts(pool, gates.unit_vectors(), [&](int block) {
    for (int j = 0; j < segment.count; j++)
      for (int k = 0; k < gates.H; k++)
        store(target + segment.panels.place(k, (block * segment.count + j) * kWidth),
              load(source + from.start(block) + (static_cast<ptrdiff_t>(k) * from.width + segment.gates[j]) * kWidth));
  });
}

}  // namespace

size_t staged_size(const RecurrentSizes& sizes, const LayerOptions& options) {
  size_t size = 0;
  if (options.staged()) rooms(sizes, options, nullptr, static_cast<size_t>(sizes.T), size);
  return size;
}

void arrange(const StagedLayer& layer, const Segment& segment, const float* plain, float* row) {
  const int H = layer.sizes.H;
  for_vectors(layer, segment, [&](int place, int, int block, int j) {
    store(row + place, load_units(plain + static_cast<ptrdiff_t>(segment.gates[j]) * H, block, H));
  });
}

void add_arranged(const StagedLayer& layer, const Segment& segment, const float* sums, int N, ptrdiff_t stride, float* plain) {
  const int H = layer.sizes.H;
  for_vectors(layer, segment, [&](int place, int, int block, int j) {
    Vec total = broadcast(0.0f);
    for (int n = 0; n < N; n++) total = add(total, load(sums + n * stride + place));
    float* const to = plain + static_cast<ptrdiff_t>(segment.gates[j]) * H;
    store_units(to, block, H, add(load_units(to, block, H), total));
  });
}

StagedLayer staged_layer(const Context& context, const RecurrentSizes& sizes, const LayerOptions& options,
                         const RecurrentWeights& weights, float* extra, int slots) {
  const Gates gates{sizes.cell, sizes.H};
  StagedLayer layer{};
  layer.sizes = sizes;
  layer.options = options;
  layer.gates = gates;
  layer.width = gates.gates() * gates.padded();
  size_t size = 0;
  rooms(sizes, options, nullptr, static_cast<size_t>(slots), size);
  layer.room = rooms(sizes, options, extra != nullptr ? extra : context.scratch.floats(Scratch::extra, size), static_cast<size_t>(slots), size);
  float lanes[kWidth];
  for (int i = 0; i < kWidth; i++) lanes[i] = i < lanes_of(sizes.H) ? 1.0f : 0.0f;
  layer.tail = load(lanes);
  const int count = gates.gates();
  const bool gru = sizes.cell == CellKind::gru;
  const Segment all{0, count, gates.recurrent_slot(), {0, 1, 2, 3}};
  layer.input = gru ? Segment{0, 3, 0, {2, 0, 1, 3}} : all;
  const Panels whole = gates.panels(sizes.H);
  if (options.reset_before) {
    const int blocks = gates.unit_vectors();
    layer.segments = 2;
    layer.hidden[0] = {{0, 2, 1, {0, 1, 0, 0}}, {2 * blocks, kPanel, sizes.H}, nullptr, in_float32};
    layer.hidden[1] = {{2 * blocks, 1, 3, {2, 0, 0, 0}}, {blocks, kPanel, sizes.H}, nullptr, in_float32};
  } else {
    layer.segments = options.recurrent ? 1 : 0;
    layer.hidden[0] = {all, whole, nullptr, in_float32};
  }
  float* room = context.scratch.floats(Scratch::gains, static_cast<size_t>(layer.width) * 4);
  copy_or_zero(nullptr, static_cast<size_t>(layer.width) * 4, room);
  layer.gain_ih = arranged(layer, layer.input, weights.gain_ih, room);
  if (weights.gain_hh != nullptr) {
    layer.gain_hh = room;
    for (int i = 0; i < layer.segments; i++) arrange(layer, layer.hidden[i], weights.gain_hh, room);
    room += layer.width;
  }
  layer.gain_cell = arranged(layer, layer.cells(), weights.gain_cell, room);
  layer.bias_cell = arranged(layer, layer.cells(), weights.bias_cell, room);
  return layer;
}

void set_hidden_weights(const Context& context, StagedLayer& layer, const float* weight_hh, bool turned) {
  const size_t size = static_cast<size_t>(layer.width) * layer.sizes.H;
  float* split = layer.options.reset_before ? context.scratch.floats(Scratch::segments, size) : nullptr;
  const size_t turned_size = static_cast<size_t>(layer.width) * layer.gates.padded();
  float* transposes = turned ? context.scratch.floats(Scratch::segments_transposed, turned_size) : nullptr;
  for (int i = 0; i < layer.segments; i++) {
    HiddenSegment& segment = layer.hidden[i];
    segment.weights = weight_hh;
    if (split != nullptr) {
      split_panels(context.pool, layer.gates, weight_hh, segment, split);
      segment.weights = split;
      split += segment.panels.size();
    }
    if (turned) {
      transpose_panels(context.pool, segment.panels, segment.weights, transposes);
      segment.panels = transposed(segment.panels);
      segment.weights = transposes;
      transposes += segment.panels.size();
    }
    segment.pairs = pair_product(context, layer.sizes.N, segment.panels, segment.weights,
                                 i == 0 ? Scratch::recurrent_pairs : Scratch::second_pairs,
                                 i == 0 ? Scratch::state_pairs : Scratch::second_state_pairs);
  }
}

void multiply_rows(const Panels& panels, const float* weights, const PairedProduct& pairs, const float* a, ptrdiff_t a_stride, int K,
                   int start, int rows, float* c, ptrdiff_t c_stride) {
  if (rows <= 0) return;
  if (pairs.dots != nullptr) {
    pairs.set_rows(start, rows, a, a_stride, plain_row, K);
    for (int panel = 0; panel < panels.count(); panel++)
      pairs.multiply(panel, start, rows, c + static_cast<ptrdiff_t>(panel) * panels.width * kWidth, c_stride);
    return;
  }
  for (int panel = 0; panel < panels.count(); panel++)
    with_size<kPanel>(panels.width_of(panel), [&](auto width) {
      constexpr int NV = decltype(width)::value;
      float* const sums = c + static_cast<ptrdiff_t>(panel) * panels.width * kWidth;
      for (int k = 0; k < K; k += kDepth) {
        const int depth = lesser(kDepth, K - k);
        const float* const b = weights + panels.start(panel) + static_cast<ptrdiff_t>(k) * NV * kWidth;
        const bool last = panel == panels.count() - 1 && k + depth == K;
        const float* const next = last ? weights : b + static_cast<ptrdiff_t>(depth) * NV * kWidth;
        tiles<NV>(rows, {depth, a + k, a_stride, plain_row, b, nullptr, 0}, next, Sums::continued, sums, c_stride, kWidth);
      }
    });
}

float normalize_row(const StagedLayer& layer, const Segment& segment, float* row) {
  const int last = layer.gates.unit_vectors() - 1;
  const float share = 1.0f / static_cast<float>(segment.count * layer.sizes.H);
  Vec total[4] = {broadcast(0.0f), broadcast(0.0f), broadcast(0.0f), broadcast(0.0f)};
  for_vectors(layer, segment, [&](int place, int, int block, int j) {
    const Vec x = load(row + place);
    total[j] = add(total[j], block == last ? mul(x, layer.tail) : x);
  });
  const Vec mean = broadcast(sum_lanes(add(add(total[0], total[1]), add(total[2], total[3]))) * share);
  Vec squares[4] = {broadcast(0.0f), broadcast(0.0f), broadcast(0.0f), broadcast(0.0f)};
  for_vectors(layer, segment, [&](int place, int, int block, int j) {
    const Vec apart = sub(load(row + place), mean);
    const Vec own = block == last ? mul(apart, layer.tail) : apart;
    store(row + place, own);
    squares[j] = fma(own, own, squares[j]);
  });
  const float inverse = inverse_root(sum_lanes(add(add(squares[0], squares[1]), add(squares[2], squares[3]))) * share);
  for_vectors(layer, segment, [&](int place, int, int, int) { store(row + place, mul(load(row + place), broadcast(inverse))); });
  return inverse;
}

}  // namespace UNFOLD_SET
}  // namespace unfold
