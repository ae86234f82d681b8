/**
 * Backpropagation through time. Going backwards, a panel of units collects ∂L/∂h_t = dZ_{t+1} W + what comes from above for some rows;
 * the cell then turns the saved gates of these units into their gradients, in place. What parameters and input get is left to products
 * over all steps at once.
 *
 * A cell is a type with
 *   gradient(step, row, vector, dh): gates → their gradients, for one vector of units.
 */
#pragma once

#include "recurrent_forward.h"

namespace unfold {
namespace UNFOLD_SET {

/** One step of some rows: pointers to the first of these rows. */
struct BackwardStep {
  Activation activation;
  int H;
  ptrdiff_t padded;
  float* gates;
  ptrdiff_t gates_stride;
  /** h_{t−1}, [rows, H]. */
  const float* previous;
  const float* cells_before;
  const float* cells_after;
  /** ∂L/∂c, and the part of ∂L/∂h_{t−1} that does not go through W, both [rows, padded]; null where the layer has none. */
  float* carried_cell;
  float* carried_hidden;
  /** As in the forward pass. */
  const float* zoneout_hidden;
  const float* zoneout_cell;
  const float* dropout;
  const float* peephole;
  /** Gradients of the peepholes, each sequence's own, [rows, 3, padded]. */
  float* peephole_sums;
  /** ∂L/∂h_t from above, [rows, H]; null: none. */
  const float* above;
};

/** One vector's `gradient`, of cells with all options. */
void lstm_gradient(const BackwardStep& step, int row, int vector, Vec dh);
void gru_gradient(const BackwardStep& step, int row, int vector, Vec dh);
void elman_gradient(const BackwardStep& step, int row, int vector, Vec dh);

/** What zoneout keeps of a gradient flows on as `kept`; the rest, which is returned, goes through the cell. @param shares null: no zoneout */
UNFOLD_INLINE Vec through_zoneout(const float* shares, ptrdiff_t unit, Vec d, Vec& kept) {
  kept = broadcast(0.0f);
  if (shares == nullptr) return d;
  const Vec share = load(shares + unit);
  kept = mul(share, d);
  return mul(sub(broadcast(1.0f), share), d);
}

/** An LSTM's gates as they were, m the mask of recurrent dropout, and c₋₁. */
struct LstmValues {
  Vec i, f, g, mask, before;

  Vec cell() const { return fma(f, before, mul(i, mul(mask, g))); }
};

UNFOLD_INLINE LstmValues lstm_values(const BackwardStep& step, int row, int vector) {
  const ptrdiff_t unit = row * step.padded + vector * kWidth;
  const float* const gates = step.gates + row * step.gates_stride + static_cast<ptrdiff_t>(vector) * 4 * kWidth;
  return {load(gates), load(gates + kWidth), load(gates + 2 * kWidth), step.dropout == nullptr ? broadcast(1.0f) : load(step.dropout + unit),
          load(step.cells_before + unit)};
}

/**
 * i, f, g and c₋₁ of an LSTM with options, from dc, to which the peephole of o still adds, and dz_o: di = dc m g; df = dc c₋₁; dg = dc m i, each
 * times its own slope; dc₋₁ = dc f + kept + p_i dz_i + p_f dz_f; dp = Σ dz c.
 */
UNFOLD_INLINE void lstm_gates_gradient(const BackwardStep& step, int row, int vector, const LstmValues& at, Vec dc, Vec kept, Vec dz_o) {
  float* const gates = step.gates + row * step.gates_stride + static_cast<ptrdiff_t>(vector) * 4 * kWidth;
  const float* const peephole = step.peephole == nullptr ? nullptr : step.peephole + vector * kWidth;
  if (peephole != nullptr) dc = fma(load(peephole + 2 * step.padded), dz_o, dc);
  const Vec masked = mul(dc, at.mask);
  const Vec dz_i = mul(mul(masked, at.g), fnma(at.i, at.i, at.i));
  const Vec dz_f = mul(mul(dc, at.before), fnma(at.f, at.f, at.f));
  store(gates, dz_i);
  store(gates + kWidth, dz_f);
  store(gates + 2 * kWidth, mul(mul(masked, at.i), squash_slope(step.activation, at.g)));
  Vec passed = fma(dc, at.f, kept);
  if (peephole != nullptr) {
    passed = fma(load(peephole), dz_i, fma(load(peephole + step.padded), dz_f, passed));
    float* const sums = step.peephole_sums + row * 3 * step.padded + vector * kWidth;
    store(sums, fma(dz_i, at.before, load(sums)));
    store(sums + step.padded, fma(dz_f, at.before, load(sums + step.padded)));
    store(sums + 2 * step.padded, fma(dz_o, at.cell(), load(sums + 2 * step.padded)));
  }
  store(step.carried_cell + row * step.padded + vector * kWidth, passed);
}

struct BackwardPass {
  const BackwardCall& call;
  Gates gates;
  /** The recurrent weights' transpose. */
  Panels panels;
  const float* weights;
  /** [N, H padded]; see `BackwardStep`. */
  float* carried_cell;
  float* carried_hidden;
  PairedProduct pairs;
  Masks masks;
  const float* peephole;
  float* peephole_sums;
};

/**
 * A panel's ∂L/∂h_t of some rows before anything came through W; sums of [rows, kPanel vectors] stand in `room`. What comes from above
 * is added last of all, so that a pass cut into chunks, whose dhT is another chunk's dh0, has the same bits.
 */
template <class Cell>
void start_panel(const BackwardPass& pass, int t, int start, int rows, int panel, float* room) {
  const BackwardCall& call = pass.call;
  const int H = call.sizes.H;
  const int vectors = pass.panels.width_of(panel);
  for (int row = 0; row < rows; row++) {
    const ptrdiff_t n = start + row;
    const bool last_step = t == (call.lengths == nullptr ? call.sizes.T : call.lengths[n]) - 1;
    for (int j = 0; j < vectors; j++) {
      const int vector = panel * kPanel + j;
      Vec dh = broadcast(0.0f);
      if (last_step && call.dhT != nullptr) dh = load_units(call.dhT + n * H, vector, H);
      if (pass.carried_hidden != nullptr && !last_step) dh = load(pass.carried_hidden + n * pass.gates.padded() + vector * kWidth);
      store(room + (row * kPanel + j) * kWidth, dh);
    }
  }
}

/** Fetches what `finish_panel` will read of a row. */
UNFOLD_INLINE void prefetch_units(const BackwardPass& pass, const BackwardStep& step, ptrdiff_t row, int vector, int vectors) {
  const int slots = pass.gates.slots();
  prefetch_row(step.gates + row * step.gates_stride + static_cast<ptrdiff_t>(vector) * slots * kWidth, vectors * slots);
  if (step.above != nullptr) prefetch_row(step.above + row * step.H + vector * kWidth, vectors);
  if (step.cells_before == nullptr) return;
  prefetch_row(step.cells_before + row * step.padded + vector * kWidth, vectors);
  prefetch_row(step.cells_after + row * step.padded + vector * kWidth, vectors);
}

/** Adds dZ_{t+1} W. */
template <int NV>
void multiply_panel(const BackwardPass& pass, const BackwardStep& step, int t, int start, int rows, int panel, float* room) {
  const BackwardCall& call = pass.call;
  if (pass.pairs.dots != nullptr) return pass.pairs.multiply(panel, start, rows, room, kPanel * kWidth);
  const Gates& gates = pass.gates;
  const int K = pass.panels.depth;
  const int piece = gates.segments().piece(kDepth);
  const ptrdiff_t columns = gates.columns();
  const float* const after = call.saved.gates + (static_cast<ptrdiff_t>(t + 1) * call.sizes.N + start) * columns + gates.offset(false);
  const float* const weights = pass.weights + pass.panels.start(panel);
  const bool last_panel = panel == pass.panels.count() - 1;
  for (int k = 0; k < K; k += piece) {
    const int depth = lesser(piece, K - k);
    const float* const a = after + gates.segments().place(k);
    const float* const b = weights + static_cast<ptrdiff_t>(k) * NV * kWidth;
    const bool last = last_panel && k + depth == K;
    const float* const next = last ? pass.weights : b + static_cast<ptrdiff_t>(depth) * NV * kWidth;
    const auto fetch = [&](int first, int count) {
      for (int row = first; row < first + count && k + depth == K; row++) prefetch_units(pass, step, row, panel * kPanel, NV);
    };
    tiles<NV>(rows, {depth, a, columns, gates.segments(), b, nullptr, 0}, next, Sums::continued, room, kPanel * kWidth, kWidth,
              fetch);
  }
}

/** Turns a panel's ∂L/∂h_t into its gates' gradients, or hands it out where it has arrived at h_0. */
template <class Cell>
void finish_panel(const BackwardPass& pass, const BackwardStep& step, int t, int start, int rows, int panel, const float* room) {
  const int vectors = pass.panels.width_of(panel);
  for (int row = 0; row < rows; row++) {
    if (has_ended(pass.call.lengths, start + row, t)) continue;
    for (int j = 0; j < vectors; j++) {
      const int vector = panel * kPanel + j;
      const Vec dh = load(room + (row * kPanel + j) * kWidth);
      if (step.above != nullptr)
        Cell::gradient(step, row, vector, add(load_units(step.above + static_cast<ptrdiff_t>(row) * step.H, vector, step.H), dh));
      else if (t >= 0)
        Cell::gradient(step, row, vector, dh);
      else
        store_units(pass.call.dh0 + static_cast<ptrdiff_t>(start + row) * step.H, vector, step.H, dh);
    }
  }
}

template <class Cell>
void backward_sequences(const BackwardPass& pass, int first, int count) {
  const BackwardCall& call = pass.call;
  const RecurrentSizes& s = call.sizes;
  const ptrdiff_t columns = pass.gates.columns();
  const ptrdiff_t padded = pass.gates.padded();
  alignas(64) float room[kRowBlock * kPanel * kWidth];
  for (int t = s.T - 1; t >= (call.dh0 != nullptr ? -1 : 0); t--) {
    for (int start = first; start < first + count; start += kRowBlock) {
      const int block = lesser(kRowBlock, first + count - start);
      const int rows = living_rows(call.lengths, start, block, t);
      const ptrdiff_t row = static_cast<ptrdiff_t>(lesser(s.T - 1, t < 0 ? 0 : t)) * s.N + start;
      BackwardStep step;
      step.activation = call.options.activation;
      step.H = s.H;
      step.padded = padded;
      step.gates = call.saved.gates + row * columns;
      step.gates_stride = columns;
      step.previous = t > 0 ? call.output + (row - s.N) * s.H : call.saved.first + static_cast<ptrdiff_t>(start) * s.H;
      step.cells_before = call.saved.cells == nullptr ? nullptr : call.saved.cells + row * padded;
      step.cells_after = call.saved.cells == nullptr ? nullptr : call.saved.cells + (row + s.N) * padded;
      const auto rows_of = [&](float* all, int parts) { return all == nullptr ? nullptr : all + start * parts * padded; };
      step.carried_cell = rows_of(pass.carried_cell, 1);
      step.carried_hidden = rows_of(pass.carried_hidden, 1);
      if (pass.masks.drawn() && t >= 0) pass.masks.draw(t, start, rows);
      step.zoneout_hidden = rows_of(pass.masks.hidden, 1);
      step.zoneout_cell = rows_of(pass.masks.cell, 1);
      step.dropout = rows_of(pass.masks.candidate, 1);
      step.peephole = pass.peephole;
      step.peephole_sums = rows_of(pass.peephole_sums, 3);
      if (pass.pairs.dots != nullptr && t < s.T - 1) {
        const float* const after = call.saved.gates + (static_cast<ptrdiff_t>(t + 1) * s.N + start) * columns;
        pass.pairs.set_rows(start, rows, after + pass.gates.offset(false), columns, pass.gates.segments(), pass.panels.depth);
      }
      step.above = t >= 0 && call.d_output != nullptr ? call.d_output + row * s.H : nullptr;
      for (int panel = 0; panel < pass.panels.count() && rows > 0; panel++) {
        start_panel<Cell>(pass, t, start, rows, panel, room);
        if (t < s.T - 1)
          with_size<kPanel>(pass.panels.width_of(panel), [&](auto width) {
            multiply_panel<decltype(width)::value>(pass, step, t, start, rows, panel, room);
          });
        finish_panel<Cell>(pass, step, t, start, rows, panel, room);
      }
      // What arrives at a final state waits until its sequence's own last step.
      for_ended_rows(call.lengths, start, block, t, [&](ptrdiff_t ended) {
        copy_or_zero(nullptr, static_cast<size_t>(columns), step.gates + ended * columns);
        const float* const dc = call.dcT == nullptr ? nullptr : call.dcT + (start + ended) * s.H;
        if (step.carried_cell != nullptr) pad_rows(dc, 1, pass.gates, step.carried_cell + ended * padded);
      });
    }
  }
}

template <class Cell>
void backward(const Context& context, const BackwardCall& call) {
  const RecurrentSizes& s = call.sizes;
  const Gates gates{s.cell, s.H};
  const Panels panels = transposed(gates.panels(s.H));
  float* const weights = context.scratch.floats(Scratch::transposed, panels.size());
  transpose_panels(context.pool, gates.panels(s.H), call.weights.hh, weights);
  const size_t unit = static_cast<size_t>(s.N) * gates.padded();
  const bool lstm = s.cell == CellKind::lstm;
  const bool carries_hidden = s.cell == CellKind::gru || call.options.zoneout_hidden > 0;
  float* const carried = context.scratch.floats(Scratch::carried, unit * (lstm + carries_hidden));
  float* const carried_cell = lstm ? carried : nullptr;
  float* const carried_hidden = carries_hidden ? carried + (lstm ? unit : 0) : nullptr;
  if (lstm) pad_rows(call.dcT, s.N, gates, carried_cell);
  if (carries_hidden) copy_or_zero(nullptr, unit, carried_hidden);
  float* peephole_sums = nullptr;
  if (call.options.peephole) {
    peephole_sums = context.scratch.floats(Scratch::sequence_sums, 3 * unit);
    copy_or_zero(nullptr, 3 * unit, peephole_sums);
  }
  const PairedProduct pairs =
      pair_product(context, s.N, panels, weights, Scratch::recurrent_pairs, Scratch::state_pairs);
  const Masks masks = prepare_masks(context, call.options, call.key, s.N, gates);
  const float* const peephole = padded_peephole(context, call.weights, gates);
  const BackwardPass pass{call, gates, panels, weights, carried_cell, carried_hidden, pairs, masks, peephole, peephole_sums};
  const int parts = sequence_parts(context.pool, s.N, tile_rows(kPanel));
  run_parts(context.pool, parts, [&](int part) {
    const int first = part_start(s.N, part, parts, 1);
    backward_sequences<Cell>(pass, first, part_start(s.N, part + 1, parts, 1) - first);
  });
  if (lstm && call.dc0 != nullptr) unpad_rows(carried_cell, s.N, gates, call.dc0);
  if (call.d_peephole != nullptr) add_sequence_sums(peephole_sums, s.N, 3, gates, call.d_peephole);
  parameter_gradients(context, call, gates);
  input_gradient(context, call, gates, input_columns(call.saved, gates));
  if (call.d_injected != nullptr) injected_gradient(context, call, gates);
}

}  // namespace UNFOLD_SET
}  // namespace unfold
