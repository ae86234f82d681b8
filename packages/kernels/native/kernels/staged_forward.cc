#include "staged.h"

namespace unfold {
namespace UNFOLD_SET {
namespace {

struct StagedForward {
  const Context& context;
  const ForwardCall& call;
  StagedLayer layer;
  ForwardMemory memory;
  const float* bias;
  Masks masks;
  const float* peephole;
  /** The gates of the steps that are kept: all of them, or one. */
  float* gates;
  bool keep;
  /** Whether U x stands in the room for all steps already. */
  bool projected;
  PairedProduct input_pairs;
  int32_t* present;
  /** Inference: the last step that has seen a batch. */
  int last_seen;

  const RecurrentSizes& sizes() const { return call.sizes; }
  ptrdiff_t row_of(int t, int n) const { return static_cast<ptrdiff_t>(keep ? t : 0) * sizes().N + n; }

  ForwardStep step_of(int t, int start) const {
    const RecurrentSizes& s = sizes();
    const ptrdiff_t row = static_cast<ptrdiff_t>(t) * s.N + start;
    const ptrdiff_t padded = layer.gates.padded();
    const auto rows_of = [&](const float* all) { return all == nullptr ? nullptr : all + start * padded; };
    ForwardStep step;
    step.activation = call.options.activation;
    step.H = s.H;
    step.padded = padded;
    step.keep = keep;
    step.gates = gates + row_of(t, start) * layer.gates.columns();
    step.gates_stride = layer.gates.columns();
    step.gates_panel = layer.gates.slots() * kWidth;
    step.previous = t == 0 ? memory.first + static_cast<ptrdiff_t>(start) * s.H : memory.output + (row - s.N) * s.H;
    step.output = memory.output + row * s.H;
    step.cells_before = memory.cells_after(t, s.N, start, padded);
    step.cells_after = memory.cells_after(t + 1, s.N, start, padded);
    step.zoneout_hidden = rows_of(masks.hidden);
    step.zoneout_cell = rows_of(masks.cell);
    step.dropout = rows_of(masks.candidate);
    step.peephole = peephole;
    step.injected = call.injected == nullptr ? nullptr : call.injected + row * layer.gates.gates() * s.H;
    return step;
  }

  void input_product(int t, int start, int rows) const {
    const RecurrentSizes& s = sizes();
    const ptrdiff_t row = static_cast<ptrdiff_t>(t) * s.N + start;
    float* const x = layer.room.input + row_of(t, start) * layer.width;
    if (s.tokens) {
      for (int r = 0; r < rows; r++)
        copy_or_zero(call.weights.ih + static_cast<ptrdiff_t>(call.tokens[row + r]) * layer.width, static_cast<size_t>(layer.width),
                     x + static_cast<ptrdiff_t>(r) * layer.width);
    } else if (!projected) {
      copy_or_zero(nullptr, static_cast<size_t>(rows) * layer.width, x);
      multiply_rows(layer.gates.panels(s.C), call.weights.ih, input_pairs, call.input + row * s.C, s.C, s.C, start, rows, x, layer.width);
    }
  }

  /** gates = bias + injected + U x, scaled where it is normalised. */
  void open_gates(int t, int start, int rows) const {
    const ForwardStep step = step_of(t, start);
    for (int r = 0; r < rows; r++) {
      float* const row = step.gates + r * step.gates_stride;
      const float* const x = layer.room.input + (row_of(t, start) + r) * layer.width;
      const float* const injected =
          step.injected == nullptr ? nullptr : step.injected + static_cast<ptrdiff_t>(r) * layer.gates.gates() * step.H;
      copy_or_zero(bias, static_cast<size_t>(layer.gates.columns()), row);
      for_vectors(layer, layer.input, [&](int place, int gate, int block, int j) {
        Vec sum = load(row + gate);
        const Vec value = load(x + place);
        sum = layer.gain_ih == nullptr ? add(sum, value) : fma(load(layer.gain_ih + place), value, sum);
        if (injected != nullptr)
          sum = add(sum, load_units(injected + static_cast<ptrdiff_t>(layer.input.gates[j]) * step.H, block, step.H));
        store(row + gate, sum);
      });
    }
  }

  void hidden_product(int i, int t, int start, int rows) const {
    const HiddenSegment& segment = layer.hidden[i];
    const int H = sizes().H;
    const ForwardStep step = step_of(t, start);
    float* const to = layer.room.hidden + row_of(t, start) * layer.width + segment.first * kWidth;
    for (int r = 0; r < rows; r++)
      copy_or_zero(nullptr, static_cast<size_t>(segment.panels.vectors) * kWidth, to + static_cast<ptrdiff_t>(r) * layer.width);
    const float* const a = i == 0 ? step.previous : layer.room.source + row_of(t, start) * layer.gates.padded();
    multiply_rows(segment.panels, segment.weights, segment.pairs, a, i == 0 ? H : layer.gates.padded(), H, start, rows, to, layer.width);
  }

  void add_hidden(int i, int t, int start, int rows) const {
    const ForwardStep step = step_of(t, start);
    for (int r = 0; r < rows; r++) {
      float* const row = step.gates + r * step.gates_stride;
      const float* const x = layer.room.hidden + (row_of(t, start) + r) * layer.width;
      for_vectors(layer, layer.hidden[i], [&](int place, int gate, int, int) {
        const Vec value = load(x + place);
        const Vec sum = load(row + gate);
        store(row + gate, layer.gain_hh == nullptr ? add(sum, value) : fma(load(layer.gain_hh + place), value, sum));
      });
    }
  }

  /** r and s = r h₋₁, of a GRU with the reset before the product. */
  void reset(int t, int start, int rows) const {
    const ForwardStep step = step_of(t, start);
    for (int r = 0; r < rows; r++)
      for (int block = 0; block < layer.gates.unit_vectors(); block++) {
        float* const gate = step.gates + r * step.gates_stride + static_cast<ptrdiff_t>(block) * 4 * kWidth + kWidth;
        const Vec value = sigmoid(load(gate));
        store(gate, value);
        const Vec previous = load_units(step.previous + static_cast<ptrdiff_t>(r) * step.H, block, step.H);
        store(layer.room.source + (row_of(t, start) + r) * step.padded + block * kWidth, mul(value, previous));
      }
  }

  /** h of a GRU whose r is in its place already. */
  void late_gru_cell(const ForwardStep& step, int row, int block) const {
    float* const gates = step.gates + row * step.gates_stride + static_cast<ptrdiff_t>(block) * 4 * kWidth;
    const ptrdiff_t at = static_cast<ptrdiff_t>(row) * step.H;
    const ptrdiff_t unit = row * step.padded + block * kWidth;
    const Vec n = hyperbolic_tangent(add(load(gates), load(gates + 3 * kWidth)));
    const Vec z = sigmoid(load(gates + 2 * kWidth));
    store(gates, n);
    store(gates + 2 * kWidth, z);
    const Vec previous = load_units(step.previous + at, block, step.H);
    const Vec candidate = step.dropout == nullptr ? n : mul(load(step.dropout + unit), n);
    Vec h = fma(z, previous, mul(sub(broadcast(1.0f), z), candidate));
    if (step.zoneout_hidden != nullptr) h = zoned(load(step.zoneout_hidden + unit), previous, h);
    store_units(step.output + at, block, step.H, h);
  }

  /** All of an LSTM whose cell is normalised but h; c before zoneout goes to `inner`. */
  void inner_cell(const ForwardStep& step, int row, int block, float* inner) const {
    const ptrdiff_t unit = row * step.padded + block * kWidth;
    float* const gates = step.gates + row * step.gates_stride + static_cast<ptrdiff_t>(block) * 4 * kWidth;
    const auto see = [&](int gate, Vec sum, Vec cell) {
      return step.peephole == nullptr ? sum : fma(load(step.peephole + gate * step.padded + block * kWidth), cell, sum);
    };
    const Vec before = load(step.cells_before + unit);
    const Vec i = sigmoid(see(0, load(gates), before));
    const Vec f = sigmoid(see(1, load(gates + kWidth), before));
    const Vec g = squash(step.activation, load(gates + 2 * kWidth));
    const Vec cell = fma(f, before, mul(i, step.dropout == nullptr ? g : mul(load(step.dropout + unit), g)));
    store(gates, i);
    store(gates + kWidth, f);
    store(gates + 2 * kWidth, g);
    store(gates + 3 * kWidth, sigmoid(see(2, load(gates + 3 * kWidth), cell)));
    store(inner + block * kWidth, cell);
    store(step.cells_after + unit, step.zoneout_cell == nullptr ? cell : zoned(load(step.zoneout_cell + unit), before, cell));
  }

  void cells(int t, int start, int rows) const {
    const ForwardStep step = step_of(t, start);
    const bool inner = layer.room.inner != nullptr;
    for (int r = 0; r < rows; r++) {
      float* const own = inner ? layer.room.inner + (row_of(t, start) + r) * step.padded : nullptr;
      for (int block = 0; block < layer.gates.unit_vectors(); block++) {
        if (inner)
          inner_cell(step, r, block, own);
        else if (layer.lstm())
          lstm_cell(step, r, block);
        else if (call.options.reset_before)
          late_gru_cell(step, r, block);
        else if (sizes().cell == CellKind::gru)
          gru_cell(step, r, block);
        else
          elman_cell(step, r, block);
      }
    }
  }

  /** h = o tanh(gain ĉ + bias). */
  void normalized_output(int t, int start, int rows) const {
    const ForwardStep step = step_of(t, start);
    for (int r = 0; r < rows; r++)
      for (int block = 0; block < layer.gates.unit_vectors(); block++) {
        const int place = block * kWidth;
        const Vec o = load(step.gates + r * step.gates_stride + static_cast<ptrdiff_t>(block) * 4 * kWidth + 3 * kWidth);
        const Vec c = load(layer.room.inner + (row_of(t, start) + r) * step.padded + place);
        Vec h = mul(o, hyperbolic_tangent(fma(load(layer.gain_cell + place), c, load(layer.bias_cell + place))));
        const ptrdiff_t at = static_cast<ptrdiff_t>(r) * step.H;
        if (step.zoneout_hidden != nullptr)
          h = zoned(load(step.zoneout_hidden + r * step.padded + place), load_units(step.previous + at, block, step.H), h);
        store_units(step.output + at, block, step.H, h);
      }
  }

  void end_rows(int t, int start, int rows) const {
    const ForwardStep step = step_of(t, start);
    for_ended_rows(call.lengths, start, rows, t, [&](ptrdiff_t ended) {
      copy_or_zero(nullptr, static_cast<size_t>(step.H), step.output + ended * step.H);
      if (layer.lstm())
        copy_or_zero(step.cells_before + ended * step.padded, static_cast<size_t>(step.padded), step.cells_after + ended * step.padded);
    });
  }

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

  /** `each` calls a body with rows of the step; `normalize` takes a segment and what it is. */
  template <class Each, class Normalize>
  void step(int t, const Each& each, const Normalize& normalize) const {
    each([&](int start, int rows) {
      if (masks.drawn()) masks.draw(t, start, rows);
      input_product(t, start, rows);
    });
    if (layer.normalized()) normalize(layer.input, 0);
    each([&](int start, int rows) {
      open_gates(t, start, rows);
      if (layer.segments > 0) hidden_product(0, t, start, rows);
    });
    for (int i = 0; i < layer.segments; i++) {
      if (i > 0)
        each([&](int start, int rows) {
          reset(t, start, rows);
          hidden_product(i, t, start, rows);
        });
      if (layer.normalized()) normalize(layer.hidden[i], 1 + i);
      each([&](int start, int rows) { add_hidden(i, t, start, rows); });
    }
    each([&](int start, int rows) { cells(t, start, rows); });
    if (layer.room.inner != nullptr) {
      normalize(layer.cells(), 3);
      each([&](int start, int rows) { normalized_output(t, start, rows); });
    }
  }
};

/** Calls body(start, rows) for blocks of the sequences [first, first + count). */
template <class Body>
void for_blocks(int first, int count, const Body& body) {
  for (int start = first; start < first + count; start += kRowBlock) body(start, lesser(kRowBlock, first + count - start));
}

}  // namespace

void staged_forward(const Context& context, const ForwardCall& call) {
  const RecurrentSizes& s = call.sizes;
  const Gates gates{s.cell, s.H};
  const bool keep = call.saved.gates != nullptr;
  StagedForward pass{context,
                     call,
                     staged_layer(context, s, call.options, call.weights, keep ? call.saved.extra : nullptr, keep ? s.T : 1),
                     prepare_forward(context, call, gates),
                     combined_bias(context, call.weights, gates),
                     prepare_masks(context, call.options, call.key, s.N, gates),
                     padded_peephole(context, call.weights, gates),
                     call.saved.gates,
                     keep,
                     keep && !s.tokens,
                     in_float32,
                     reinterpret_cast<int32_t*>(context.scratch.words(Scratch::present, static_cast<size_t>(s.N))),
                     0};
  if (!keep) pass.gates = context.scratch.floats(Scratch::step_gates, static_cast<size_t>(s.N) * gates.columns());
  for (int step = 0; step < call.statistics.steps; step++)
    if (call.statistics.batches[step] > 0) pass.last_seen = step;
  set_hidden_weights(context, pass.layer, call.weights.hh, false);
  const Panels input = gates.panels(s.C);
  if (pass.projected)
    product(context, {s.T * s.N, s.C, call.input, s.C, plain_row, call.weights.ih, input, nullptr, pass.layer.room.input, pass.layer.width,
                      input.width * kWidth, kWidth, false});
  else if (!s.tokens)
    pass.input_pairs = pair_product(context, s.N, input, call.weights.ih, Scratch::pairs, Scratch::input_pairs);
  const int parts = sequence_parts(context.pool, s.N, tile_rows(kPanel));
  const auto in_part = [&](int part, const auto& body) {
    const int first = part_start(s.N, part, parts, 1);
    for_blocks(first, part_start(s.N, part + 1, parts, 1) - first, body);
  };
  if (call.options.norm == Norm::batch && call.key.training) {
    for (int t = 0; t < s.T; t++) {
      const BatchStep batch = pass.batch_of(t);
      pass.step(
          t, [&](const auto& body) { run_parts(context.pool, parts, [&](int part) { in_part(part, body); }); },
          [&](const Segment& segment, int which) {
            if (batch.count > 0) pass.normalize_columns(segment, which, t, batch);
          });
      pass.end_rows(t, 0, s.N);
    }
  } else {
    if (keep && call.options.norm == Norm::batch) pass.keep_running_inverses();
    run_parts(context.pool, parts, [&](int part) {
      for (int t = 0; t < s.T; t++)
        in_part(part, [&](int start, int block) {
          const int rows = living_rows(call.lengths, start, block, t);
          if (rows > 0)
            pass.step(
                t, [&](const auto& body) { body(start, rows); },
                [&](const Segment& segment, int which) { pass.normalize_rows(segment, which, t, start, rows); });
          pass.end_rows(t, start, block);
        });
    });
  }
  finish_forward(call, gates, pass.memory);
}

}  // namespace UNFOLD_SET
}  // namespace unfold
