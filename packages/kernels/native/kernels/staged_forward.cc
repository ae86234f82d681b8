#include "staged_norm_forward.h"

namespace unfold {
namespace UNFOLD_SET {
namespace {

struct StagedForward : StagedNorm {
  ForwardMemory memory;
  const float* bias;
  Masks masks;
  const float* peephole;
  /** The gates of the steps that are kept: all of them, or one. */
  float* gates;
  /** Whether U x stands in the room for all steps already. */
  bool projected;
  PairedProduct input_pairs;

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
  StagedForward pass{{context, call, staged_layer(context, s, call.options, call.weights, keep ? call.saved.extra : nullptr, keep ? s.T : 1),
                      keep, reinterpret_cast<int32_t*>(context.scratch.words(Scratch::present, static_cast<size_t>(s.N))), 0},
                     prepare_forward(context, call, gates),
                     combined_bias(context, call.weights, gates),
                     prepare_masks(context, call.options, call.key, s.N, gates),
                     padded_peephole(context, call.weights, gates),
                     call.saved.gates,
                     keep && !s.tokens,
                     in_float32};
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
