#include "staged_norm_backward.h"

namespace unfold {
namespace UNFOLD_SET {
namespace {

struct StagedBackward : StagedNormBackward {
  Masks masks;
  const float* peephole;
  float* carried_cell;
  float* carried_hidden;
  /** ∂L/∂(r h₋₁), [N, padded]. */
  float* d_source;

  BackwardStep step_of(int t, int start) const {
    const RecurrentSizes& s = sizes();
    const ptrdiff_t row = row_of(t, start);
    const auto rows_of = [&](float* all) { return all == nullptr ? nullptr : all + start * padded(); };
    const auto cells_of = [&](ptrdiff_t first) { return call.saved.cells == nullptr ? nullptr : call.saved.cells + first * padded(); };
    BackwardStep step;
    step.activation = call.options.activation;
    step.H = s.H;
    step.padded = padded();
    step.gates = gates_of(t, start);
    step.gates_stride = layer.gates.columns();
    step.previous = t > 0 ? call.output + (row - s.N) * s.H : call.saved.first + static_cast<ptrdiff_t>(start) * s.H;
    step.cells_before = cells_of(row);
    step.cells_after = cells_of(row + s.N);
    step.carried_cell = rows_of(carried_cell);
    step.carried_hidden = rows_of(carried_hidden);
    step.zoneout_hidden = rows_of(masks.hidden);
    step.zoneout_cell = rows_of(masks.cell);
    step.dropout = rows_of(masks.candidate);
    step.peephole = peephole;
    step.peephole_sums = sums.peephole == nullptr ? nullptr : sums.peephole + static_cast<ptrdiff_t>(start) * 3 * padded();
    step.above = nullptr;
    return step;
  }

  /** dh of the rows, all that arrives at h_t but what comes from above at once; that is added last, as elsewhere. */
  void collect(int t, int start, int rows) const {
    const RecurrentSizes& s = sizes();
    float* const to = dh + start * padded();
    for (int r = 0; r < rows; r++) {
      const ptrdiff_t n = start + r;
      const bool last_step = t == (call.lengths == nullptr ? s.T : call.lengths[n]) - 1;
      for (int block = 0; block < blocks(); block++) {
        Vec sum = broadcast(0.0f);
        if (last_step && call.dhT != nullptr) sum = load_units(call.dhT + n * s.H, block, s.H);
        if (carried_hidden != nullptr && !last_step) sum = load(carried_hidden + n * padded() + block * kWidth);
        store(to + r * padded() + block * kWidth, sum);
      }
    }
    if (t < s.T - 1 && layer.segments > 0) {
      const HiddenSegment& segment = layer.hidden[0];
      multiply_rows(segment.panels, segment.weights, segment.pairs, layer.room.hidden + row_of(t + 1, start) * layer.width, layer.width,
                    segment.panels.depth, start, rows, to, padded());
    }
    for (int r = 0; r < rows; r++) {
      const ptrdiff_t n = start + r;
      for (int block = 0; block < blocks(); block++) {
        float* const sum = to + r * padded() + block * kWidth;
        if (t < 0)
          store_units(call.dh0 + n * s.H, block, s.H, load(sum));
        else if (call.d_output != nullptr)
          store(sum, add(load_units(call.d_output + row_of(t, start + r) * s.H, block, s.H), load(sum)));
      }
    }
  }

  void cells(int t, int start, int rows) const {
    const BackwardStep step = step_of(t, start);
    for_living(t, start, rows, [&](int r) {
      for (int block = 0; block < blocks(); block++) {
        float* const arriving = dh + (start + r) * padded() + block * kWidth;
        if (layer.room.inner != nullptr)
          through_output(step, layer, r, block, arriving, layer.room.inner + row_of(t, start + r) * padded());
        else if (layer.lstm())
          lstm_gradient(step, r, block, load(arriving));
        else if (call.options.reset_before)
          late_gru_gradient(step, r, block, load(arriving));
        else if (sizes().cell == CellKind::gru)
          gru_gradient(step, r, block, load(arriving));
        else
          elman_gradient(step, r, block, load(arriving));
      }
    });
  }

  /** The rest of a normalised LSTM, once `inner` holds what reaches c through h. */
  void inner_cells(int t, int start, int rows) const {
    const BackwardStep step = step_of(t, start);
    for_living(t, start, rows, [&](int r) {
      const float* const arriving = layer.room.inner + row_of(t, start + r) * padded();
      for (int block = 0; block < blocks(); block++) inner_gradient(step, r, block, load(arriving + block * kWidth));
    });
  }

  void through_reset(int t, int start, int rows) const {
    const HiddenSegment& segment = layer.hidden[1];
    const BackwardStep step = step_of(t, start);
    float* const ds = d_source + start * padded();
    copy_or_zero(nullptr, static_cast<size_t>(rows) * static_cast<size_t>(padded()), ds);
    multiply_rows(segment.panels, segment.weights, segment.pairs,
                  layer.room.hidden + row_of(t, start) * layer.width + segment.first * kWidth, layer.width, segment.panels.depth, start, rows,
                  ds, padded());
    for_living(t, start, rows, [&](int r) {
      for (int block = 0; block < blocks(); block++) {
        const ptrdiff_t unit = r * step.padded + block * kWidth;
        float* const gate = step.gates + r * step.gates_stride + static_cast<ptrdiff_t>(block) * 4 * kWidth + kWidth;
        const Vec value = load(gate);
        const Vec arriving = load(ds + unit);
        const Vec previous = load_units(step.previous + static_cast<ptrdiff_t>(r) * step.H, block, step.H);
        store(gate, mul(mul(arriving, previous), fnma(value, value, value)));
        store(step.carried_hidden + unit, fma(arriving, value, load(step.carried_hidden + unit)));
      }
    });
  }

  /** Zeroes what the ended rows hold, so that products over all rows take nothing from them. */
  void end_rows(int t, int start, int rows) const {
    for_ended_rows(call.lengths, start, rows, t, [&](ptrdiff_t ended) {
      const int n = start + static_cast<int>(ended);
      const size_t width = static_cast<size_t>(layer.width);
      copy_or_zero(nullptr, static_cast<size_t>(layer.gates.columns()), gates_of(t, n));
      copy_or_zero(nullptr, width, layer.room.input + row_of(t, n) * layer.width);
      if (layer.segments > 0) copy_or_zero(nullptr, width, layer.room.hidden + row_of(t, n) * layer.width);
      const float* const dc = call.dcT == nullptr ? nullptr : call.dcT + static_cast<ptrdiff_t>(n) * sizes().H;
      if (carried_cell != nullptr) pad_rows(dc, 1, layer.gates, carried_cell + n * padded());
    });
  }

  template <class Each, class Back>
  void step(int t, const Each& each, const Back& back) const {
    each([&](int start, int rows) {
      if (masks.drawn() && t >= 0) masks.draw(t, start, rows);
      if (t >= 0 || call.dh0 != nullptr) collect(t, start, rows);
      if (t >= 0) cells(t, start, rows);
    });
    if (t < 0) return;
    if (layer.room.inner != nullptr) {
      back(layer.cells(), 3);
      each([&](int start, int rows) { inner_cells(t, start, rows); });
    }
    if (layer.segments > 1) {
      back(layer.hidden[1], 2);
      each([&](int start, int rows) { through_reset(t, start, rows); });
    }
    if (layer.segments > 0) back(layer.hidden[0], 1);
    if (layer.normalized()) back(layer.input, 0);
  }
};

void weight_gradients(const Context& context, const BackwardCall& call, const StagedLayer& layer) {
  const RecurrentSizes& s = call.sizes;
  if (call.d_hh == nullptr || layer.segments == 0) return;
  const Gates& gates = layer.gates;
  const auto from_states = [&](const Panels& panels, float* dw) {
    GradientProduct part{s.N, s.H, call.saved.first, s.H, layer.room.hidden, layer.width, panels.width * kWidth, kWidth, dw, panels};
    gradient_product(context, part);
    part.rows = (s.T - 1) * s.N;
    part.x = call.output;
    part.dy += static_cast<ptrdiff_t>(s.N) * layer.width;
    gradient_product(context, part);
  };
  const Panels whole = gates.panels(s.H);
  if (!call.options.reset_before) return from_states(whole, call.d_hh);
  float* dw = context.scratch.floats(Scratch::segment_gradients, static_cast<size_t>(layer.width) * s.H);
  copy_or_zero(nullptr, static_cast<size_t>(layer.width) * s.H, dw);
  for (int i = 0; i < 2; i++) {
    const HiddenSegment& segment = layer.hidden[i];
    const Panels panels{gates.unit_vectors() * segment.count, kPanel, s.H};
    if (i == 0)
      from_states(panels, dw);
    else
      gradient_product(context, {s.T * s.N, s.H, layer.room.source, gates.padded(), layer.room.hidden + segment.first * kWidth, layer.width,
                                 panels.width * kWidth, kWidth, dw, panels});
    run_parts(context.pool, gates.unit_vectors(), [&](int block) {
      for (int j = 0; j < segment.count; j++)
        for (int k = 0; k < s.H; k++) {
          float* const to = call.d_hh + whole.start(block) + (static_cast<ptrdiff_t>(k) * whole.width + segment.gates[j]) * kWidth;
          store(to, add(load(to), load(dw + panels.place(k, (block * segment.count + j) * kWidth))));
        }
    });
    dw += panels.size();
  }
}

void hand_out_sums(const BackwardCall& call, const StagedLayer& layer, const StagedSums& sums) {
  const auto hand_out = [&](const Segment& segment, const float* from, float* to) {
    if (to != nullptr) add_arranged(layer, segment, from, sums.rows, sums.stride, to);
  };
  hand_out(layer.input, sums.gain_ih, call.d_gain_ih);
  for (int i = 0; i < layer.segments; i++) hand_out(layer.hidden[i], sums.gain_hh, call.d_gain_hh);
  hand_out(layer.cells(), sums.gain_cell, call.d_gain_cell);
  hand_out(layer.cells(), sums.bias_cell, call.d_bias_cell);
  if (call.d_peephole != nullptr) add_sequence_sums(sums.peephole, call.sizes.N, 3, layer.gates, call.d_peephole);
}

StagedSums prepare_sums(const Context& context, const BackwardCall& call, const StagedLayer& layer) {
  const size_t padded = static_cast<size_t>(layer.gates.padded());
  const size_t width = static_cast<size_t>(layer.width);
  const size_t rows = call.options.norm == Norm::batch ? 1 : static_cast<size_t>(call.sizes.N);
  const size_t stride = 2 * width + 2 * padded;
  const size_t size = rows * stride + static_cast<size_t>(call.sizes.N) * 3 * padded;
  float* const room = context.scratch.floats(Scratch::sequence_sums, size);
  copy_or_zero(nullptr, size, room);
  return {static_cast<int>(rows), static_cast<ptrdiff_t>(stride), room, room + width, room + 2 * width, room + 2 * width + padded,
          call.options.peephole ? room + rows * stride : nullptr};
}

}  // namespace

void staged_backward(const Context& context, const BackwardCall& call) {
  const RecurrentSizes& s = call.sizes;
  const Gates gates{s.cell, s.H};
  const size_t unit = static_cast<size_t>(s.N) * gates.padded();
  const bool lstm = s.cell == CellKind::lstm;
  const bool carries_hidden = s.cell == CellKind::gru || call.options.zoneout_hidden > 0;
  float* const carried = context.scratch.floats(Scratch::carried, unit * 2);
  pad_rows(lstm ? call.dcT : nullptr, s.N, gates, carried);
  copy_or_zero(nullptr, unit, carried + unit);
  StagedLayer layer = staged_layer(context, s, call.options, call.weights, call.saved.extra, s.T);
  set_hidden_weights(context, layer, call.weights.hh, true);
  const StagedBackward pass{{context, call, layer, context.scratch.floats(Scratch::d_hidden, unit), prepare_sums(context, call, layer),
                             reinterpret_cast<int32_t*>(context.scratch.words(Scratch::present, static_cast<size_t>(s.N)))},
                            prepare_masks(context, call.options, call.key, s.N, gates),
                            padded_peephole(context, call.weights, gates),
                            lstm ? carried : nullptr,
                            carries_hidden ? carried + unit : nullptr,
                            context.scratch.floats(Scratch::d_source, unit)};
  const int parts = sequence_parts(context.pool, s.N, tile_rows(kPanel));
  const auto in_part = [&](int part, const auto& body) {
    const int first = part_start(s.N, part, parts, 1);
    const int end = part_start(s.N, part + 1, parts, 1);
    for (int start = first; start < end; start += kRowBlock) body(start, lesser(kRowBlock, end - start));
  };
  if (call.options.norm == Norm::batch) {
    for (int t = s.T - 1; t >= -1; t--) {
      int count = 0;
      for (int n = 0; n < s.N; n++)
        if (!has_ended(call.lengths, n, t)) pass.present[count++] = n;
      pass.step(
          t, [&](const auto& body) { run_parts(context.pool, parts, [&](int part) { in_part(part, body); }); },
          [&](const Segment& segment, int which) { pass.columns_back(segment, which, t, count); });
      if (t >= 0) pass.end_rows(t, 0, s.N);
    }
  } else {
    run_parts(context.pool, parts, [&](int part) {
      for (int t = s.T - 1; t >= -1; t--)
        in_part(part, [&](int start, int block) {
          const int rows = living_rows(call.lengths, start, block, t);
          if (rows > 0)
            pass.step(
                t, [&](const auto& body) { body(start, rows); },
                [&](const Segment& segment, int which) { pass.rows_back(segment, which, t, start, rows); });
          if (t >= 0) pass.end_rows(t, start, block);
        });
    });
  }
  if (lstm && call.dc0 != nullptr) unpad_rows(carried, s.N, gates, call.dc0);
  weight_gradients(context, call, layer);
  hand_out_sums(call, layer, pass.sums);
  const InputColumns dy = layer.normalized()
                              ? InputColumns{layer.room.input, layer.width, gates.gates(), plain_row}
                              : input_columns(call.saved, gates);
  input_weight_gradient(context, call, gates, dy);
  bias_gradients(context, call, gates);
  input_gradient(context, call, gates, dy);
  if (call.d_injected != nullptr) injected_gradient(context, call, gates);
}

}  // namespace UNFOLD_SET
}  // namespace unfold
