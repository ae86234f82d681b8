#include "recurrent_backward.h"
#include "staged.h"

namespace unfold {
namespace UNFOLD_SET {
namespace {

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

struct StagedBackward {
  const Context& context;
  const BackwardCall& call;
  StagedLayer layer;
  Masks masks;
  const float* peephole;
  float* carried_cell;
  float* carried_hidden;
  /** ∂L/∂h_t, later ∂L/∂(gain ĉ + bias); and ∂L/∂(r h₋₁). [N, padded]. */
  float* dh;
  float* d_source;
  StagedSums sums;
  int32_t* present;

  const RecurrentSizes& sizes() const { return call.sizes; }
  ptrdiff_t row_of(int t, int n) const { return static_cast<ptrdiff_t>(t) * sizes().N + n; }
  int blocks() const { return layer.gates.unit_vectors(); }
  ptrdiff_t padded() const { return layer.gates.padded(); }
  float* gates_of(int t, int n) const { return call.saved.gates + row_of(t, n) * layer.gates.columns(); }

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

  /** Calls body(row) for the rows that have a step t. */
  template <class Body>
  void for_living(int t, int start, int rows, const Body& body) const {
    for (int r = 0; r < rows; r++)
      if (!has_ended(call.lengths, start + r, t)) body(r);
  }

  void cells(int t, int start, int rows) const {
    const BackwardStep step = step_of(t, start);
    for_living(t, start, rows, [&](int r) {
      for (int block = 0; block < blocks(); block++) {
        float* const arriving = dh + (start + r) * padded() + block * kWidth;
        if (layer.room.inner != nullptr)
          through_output(step, r, block, arriving, layer.room.inner + row_of(t, start + r) * padded());
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

  /** Back through h = o tanh(gain ĉ + bias): o's gradient into its place, that of the sum inside into `arriving`. */
  void through_output(const BackwardStep& step, int row, int block, float* arriving, const float* inner) const {
    const int place = block * kWidth;
    const ptrdiff_t unit = row * step.padded + place;
    float* const gate = step.gates + row * step.gates_stride + static_cast<ptrdiff_t>(block) * 4 * kWidth + 3 * kWidth;
    const Vec one = broadcast(1.0f);
    Vec dh = load(arriving);
    if (step.zoneout_hidden != nullptr) {
      const Vec share = load(step.zoneout_hidden + unit);
      store(step.carried_hidden + unit, mul(share, dh));
      dh = mul(sub(one, share), dh);
    }
    const Vec o = load(gate);
    const Vec value = hyperbolic_tangent(fma(load(layer.gain_cell + place), load(inner + place), load(layer.bias_cell + place)));
    store(gate, mul(mul(dh, value), fnma(o, o, o)));
    store(arriving, mul(mul(dh, o), fnma(value, value, one)));
  }

  /** The rest of a normalised LSTM, once `inner` holds what reaches c through h. */
  void inner_cells(int t, int start, int rows) const {
    const BackwardStep step = step_of(t, start);
    const Vec one = broadcast(1.0f);
    for_living(t, start, rows, [&](int r) {
      for (int block = 0; block < blocks(); block++) {
        const int place = block * kWidth;
        const ptrdiff_t unit = r * step.padded + place;
        float* const gates = step.gates + r * step.gates_stride + static_cast<ptrdiff_t>(block) * 4 * kWidth;
        Vec dc = load(step.carried_cell + unit);
        Vec kept = broadcast(0.0f);
        if (step.zoneout_cell != nullptr) {
          const Vec share = load(step.zoneout_cell + unit);
          kept = mul(share, dc);
          dc = mul(sub(one, share), dc);
        }
        const Vec i = load(gates);
        const Vec f = load(gates + kWidth);
        const Vec g = load(gates + 2 * kWidth);
        const Vec dz_o = load(gates + 3 * kWidth);
        const Vec mask = step.dropout == nullptr ? one : load(step.dropout + unit);
        const Vec before = load(step.cells_before + unit);
        dc = add(dc, load(layer.room.inner + row_of(t, start + r) * padded() + place));
        const float* const seen = step.peephole == nullptr ? nullptr : step.peephole + place;
        if (seen != nullptr) dc = fma(load(seen + 2 * step.padded), dz_o, dc);
        const Vec masked = mul(dc, mask);
        const Vec dz_i = mul(mul(masked, g), fnma(i, i, i));
        const Vec dz_f = mul(mul(dc, before), fnma(f, f, f));
        store(gates, dz_i);
        store(gates + kWidth, dz_f);
        store(gates + 2 * kWidth, mul(mul(masked, i), squash_slope(step.activation, g)));
        Vec passed = fma(dc, f, kept);
        if (seen != nullptr) {
          const Vec cell = fma(f, before, mul(i, mul(mask, g)));
          passed = fma(load(seen), dz_i, fma(load(seen + step.padded), dz_f, passed));
          float* const total = step.peephole_sums + r * 3 * step.padded + place;
          store(total, fma(dz_i, before, load(total)));
          store(total + step.padded, fma(dz_f, before, load(total + step.padded)));
          store(total + 2 * step.padded, fma(dz_o, cell, load(total + 2 * step.padded)));
        }
        store(step.carried_cell + unit, passed);
      }
    });
  }

  /** A GRU with the reset before the product; r waits for `through_reset`. n's gradient stands twice, for the input and for the product. */
  void late_gru_gradient(const BackwardStep& step, int row, int block, Vec dh) const {
    float* const gates = step.gates + row * step.gates_stride + static_cast<ptrdiff_t>(block) * 4 * kWidth;
    const ptrdiff_t unit = row * step.padded + block * kWidth;
    const Vec one = broadcast(1.0f);
    Vec kept = broadcast(0.0f);
    if (step.zoneout_hidden != nullptr) {
      const Vec share = load(step.zoneout_hidden + unit);
      kept = mul(share, dh);
      dh = mul(sub(one, share), dh);
    }
    const Vec n = load(gates);
    const Vec z = load(gates + 2 * kWidth);
    const Vec mask = step.dropout == nullptr ? one : load(step.dropout + unit);
    const Vec previous = load_units(step.previous + static_cast<ptrdiff_t>(row) * step.H, block, step.H);
    const Vec dn = mul(mul(mul(dh, sub(one, z)), mask), fnma(n, n, one));
    store(gates, dn);
    store(gates + 2 * kWidth, mul(mul(dh, sub(previous, mul(mask, n))), fnma(z, z, z)));
    store(gates + 3 * kWidth, dn);
    store(step.carried_hidden + unit, fma(dh, z, kept));
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
  const StagedBackward pass{context,
                            call,
                            layer,
                            prepare_masks(context, call.options, call.key, s.N, gates),
                            padded_peephole(context, call.weights, gates),
                            lstm ? carried : nullptr,
                            carries_hidden ? carried + unit : nullptr,
                            context.scratch.floats(Scratch::d_hidden, unit),
                            context.scratch.floats(Scratch::d_source, unit),
                            prepare_sums(context, call, layer),
                            reinterpret_cast<int32_t*>(context.scratch.words(Scratch::present, static_cast<size_t>(s.N)))};
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
