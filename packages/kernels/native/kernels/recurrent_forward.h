/**
 * The time loop of a recurrent layer. Each thread takes some sequences through all steps, so that no step waits for another thread. A panel
 * of recurrent weights holds all gates of its units: when its product is done for a block of rows, these units' cells are computed at
 * once, from sums that are still in the first cache.
 *
 * A cell is a type with
 *   kVectors: most vectors of its panels; kRagged: whether its last panel may be narrower;
 *   start(gates, bias, table, vectors): a row's first sums of one panel; `gates` holds the input's product already, or, where `table` is
 *     given, nothing: then the token's row of input weights takes its place;
 *   finish(step, row, panel, vectors): the pointwise part, which leaves h, the cell state and, if they are kept, the gates.
 */
#pragma once

#include "masks.h"
#include "ragged.h"
#include "recurrent_bf16.h"
#include "squash.h"

namespace unfold {
namespace UNFOLD_SET {

/** One step of some rows, as `finish` sees it: pointers to the first of these rows. */
struct ForwardStep {
  Activation activation;
  int H;
  ptrdiff_t padded;
  float* gates;
  ptrdiff_t gates_stride;
  int gates_panel;
  /** Whether a backward pass will want the gates. */
  bool keep;
  const float* previous;
  float* output;
  const float* cells_before;
  float* cells_after;
  /** See `Masks`; each null where the layer has none. */
  const float* zoneout_hidden;
  const float* zoneout_cell;
  const float* dropout;
  /** [3, padded] of i, f, o; null: none. */
  const float* peephole;
  /** [rows, G·H]; null: nothing is injected. */
  const float* injected;
};

/** Into how many parts N sequences are cut: evenly, one for each thread, but none of less than a tile of `height` rows. */
inline int sequence_parts(const Pool& pool, int N, int height) { return lesser(pool.threads(), (N + height - 1) / height); }

/** What stays the same in all steps of a pass. */
struct ForwardPass {
  const ForwardCall& call;
  Gates gates;
  Panels input_panels;
  Panels recurrent_panels;
  /** A row of gate columns: b_ih + b_hh where they meet, one of them elsewhere. */
  const float* bias;
  /** Whether the input's product for all steps stands in the saved gates already. */
  bool projected;
  PairedProduct input_pairs;
  PairedProduct recurrent_pairs;
  Masks masks;
  const float* peephole;
};

/** gates += what is injected, for one vector of units of each gate: `slot` 0 is the first of the panel's, PyTorch's gate g stands in `slot_of(g)`. */
inline void inject(const ForwardPass& pass, const ForwardStep& step, int rows, int panel, int vectors) {
  const Gates& gates = pass.gates;
  const ptrdiff_t width = static_cast<ptrdiff_t>(gates.gates()) * step.H;
  for (int row = 0; row < rows; row++) {
    float* const to = step.gates + row * step.gates_stride + static_cast<ptrdiff_t>(panel) * step.gates_panel;
    const float* const from = step.injected + row * width;
    for (int j = 0; j < vectors; j++) {
      const int g = gates.single() ? 0 : j;
      const int unit = gates.single() ? panel * kPanel + j : panel;
      float* const sum = to + (gates.single() ? j : gates.input_slot(g)) * kWidth;
      store(sum, add(load(sum), load_units(from + static_cast<ptrdiff_t>(g) * step.H, unit, step.H)));
    }
  }
}

/** gates = bias + x U for one panel and some rows. */
template <int NV>
void input_panel(const ForwardPass& pass, const ForwardStep& step, const float* x, int start, int rows, int panel) {
  const int C = pass.call.sizes.C;
  const float* const bias = pass.bias + static_cast<ptrdiff_t>(panel) * pass.gates.panel_stride();
  const float* const weights = pass.call.weights.ih + pass.input_panels.start(panel);
  float* const gates = step.gates + static_cast<ptrdiff_t>(panel) * step.gates_panel;
  for (int row = 0; row < rows; row++) {
    Vec own[NV];
    load_row<NV>(bias, kWidth, own);
    store_row<NV>(gates + row * step.gates_stride, kWidth, own);
  }
  if (pass.input_pairs.dots != nullptr) return pass.input_pairs.multiply(panel, start, rows, gates, step.gates_stride);
  for (int k = 0; k < C; k += kDepth) {
    const float* const b = weights + static_cast<ptrdiff_t>(k) * NV * kWidth;
    tiles<NV>(rows, {lesser(kDepth, C - k), x + k, C, plain_row, b, nullptr, 0}, nullptr, Sums::continued, gates, step.gates_stride,
              kWidth);
  }
}

/** One panel of one step: recurrent product and cell. `tokens` are those of the rows, null for dense input. */
template <class Cell, int NV>
void recurrent_panel(const ForwardPass& pass, const ForwardStep& step, const int32_t* tokens, int start, int rows, int panel) {
  const int H = pass.gates.H;
  const float* const bias = pass.bias + static_cast<ptrdiff_t>(panel) * pass.gates.panel_stride();
  const float* const weights = pass.call.weights.hh + pass.recurrent_panels.start(panel);
  const ptrdiff_t token_stride = static_cast<ptrdiff_t>(pass.input_panels.vectors) * kWidth;
  const float* const table = pass.call.weights.ih + static_cast<ptrdiff_t>(panel) * pass.input_panels.width * kWidth;
  float* const gates = step.gates + static_cast<ptrdiff_t>(panel) * step.gates_panel;
  for (int row = 0; row < rows; row++)
    Cell::start(gates + row * step.gates_stride, bias, tokens == nullptr ? nullptr : table + tokens[row] * token_stride, NV);
  if (step.injected != nullptr) inject(pass, step, rows, panel, NV);
  const bool last_panel = panel == pass.recurrent_panels.count() - 1;
  float* const sums = gates + pass.gates.recurrent_slot() * kWidth;
  if (pass.recurrent_pairs.dots != nullptr) pass.recurrent_pairs.multiply(panel, start, rows, sums, step.gates_stride);
  for (int k = 0; k < H && pass.recurrent_pairs.dots == nullptr; k += kDepth) {
    const int depth = lesser(kDepth, H - k);
    const float* const b = weights + static_cast<ptrdiff_t>(k) * NV * kWidth;
    const bool last = last_panel && k + depth == H;
    const float* const next = last ? pass.call.weights.hh : b + static_cast<ptrdiff_t>(depth) * NV * kWidth;
    // While the last of this panel's sums are made, what its cells and the next panel will touch is fetched.
    const auto fetch = [&](int first, int count) {
      for (int row = first; row < first + count && k + depth == H; row++) {
        prefetch_row(gates + row * step.gates_stride + step.gates_panel, pass.gates.panel_stride() / kWidth);
        if (step.cells_after != nullptr) prefetch(step.cells_after + row * step.padded + panel * kWidth);
      }
    };
    tiles<NV>(rows, {depth, step.previous + k, H, plain_row, b, nullptr, 0}, next, Sums::continued,
              sums, step.gates_stride, kWidth, fetch);
  }
  for (int row = 0; row < rows; row++) Cell::finish(step, row, panel, NV);
}

/** Takes the sequences [first, first + count) through all steps. */
template <class Cell>
void forward_sequences(const ForwardPass& pass, const ForwardMemory& memory, int first, int count) {
  const ForwardCall& call = pass.call;
  const RecurrentSizes& s = call.sizes;
  const bool keep = call.saved.gates != nullptr;
  const ptrdiff_t columns = pass.gates.columns();
  const ptrdiff_t padded = pass.gates.padded();
  alignas(64) float room[kRowBlock * kPanel * kWidth];
  for (int t = 0; t < s.T; t++) {
    for (int start = first; start < first + count; start += kRowBlock) {
      const int block = lesser(kRowBlock, first + count - start);
      const int rows = living_rows(call.lengths, start, block, t);
      const ptrdiff_t row = static_cast<ptrdiff_t>(t) * s.N + start;
      ForwardStep step;
      step.activation = call.options.activation;
      step.H = s.H;
      step.padded = padded;
      step.keep = keep;
      step.gates = keep ? call.saved.gates + row * columns : room;
      step.gates_stride = keep ? columns : kPanel * kWidth;
      step.gates_panel = keep ? pass.gates.panel_stride() : 0;
      step.previous = t == 0 ? memory.first + static_cast<ptrdiff_t>(start) * s.H : memory.output + (row - s.N) * s.H;
      step.output = memory.output + row * s.H;
      step.cells_before = memory.cells_after(t, s.N, start, padded);
      step.cells_after = memory.cells_after(t + 1, s.N, start, padded);
      const ptrdiff_t masks_at = start * padded;
      if (pass.masks.drawn()) pass.masks.draw(t, start, rows);
      step.zoneout_hidden = pass.masks.hidden == nullptr ? nullptr : pass.masks.hidden + masks_at;
      step.zoneout_cell = pass.masks.cell == nullptr ? nullptr : pass.masks.cell + masks_at;
      step.dropout = pass.masks.candidate == nullptr ? nullptr : pass.masks.candidate + masks_at;
      step.peephole = pass.peephole;
      step.injected = call.injected == nullptr ? nullptr : call.injected + row * pass.gates.gates() * s.H;
      const int32_t* const tokens = s.tokens ? call.tokens + row : nullptr;
      const bool reads_input = tokens == nullptr && !pass.projected;
      if (pass.recurrent_pairs.dots != nullptr) {
        pass.recurrent_pairs.set_rows(start, rows, step.previous, s.H, plain_row, s.H);
        if (reads_input) pass.input_pairs.set_rows(start, rows, call.input + row * s.C, s.C, plain_row, s.C);
      }
      for (int panel = 0; panel < pass.recurrent_panels.count() && rows > 0; panel++)
        with_panel<Cell>(pass.recurrent_panels.width_of(panel), [&](auto width) {
          constexpr int NV = decltype(width)::value;
          if (reads_input) input_panel<NV>(pass, step, call.input + row * s.C, start, rows, panel);
          recurrent_panel<Cell, NV>(pass, step, tokens, start, rows, panel);
        });
      for_ended_rows(call.lengths, start, block, t, [&](ptrdiff_t ended) {
        copy_or_zero(nullptr, static_cast<size_t>(s.H), step.output + ended * s.H);
        if (s.cell == CellKind::lstm)
          copy_or_zero(step.cells_before + ended * padded, static_cast<size_t>(padded), step.cells_after + ended * padded);
      });
    }
  }
}

template <class Cell>
void forward(const Context& context, const ForwardCall& call) {
  const RecurrentSizes& s = call.sizes;
  const Gates gates{s.cell, s.H};
  const ForwardMemory memory = prepare_forward(context, call, gates);
  ForwardPass pass{call, gates, gates.panels(s.C), gates.panels(s.H), combined_bias(context, call.weights, gates), false,
                   in_float32, in_float32, prepare_masks(context, call.options, call.key, s.N, gates),
                   padded_peephole(context, call.weights, gates)};
  if (call.saved.gates != nullptr && !s.tokens) {
    project_input(context, call, gates, pass.bias);
    pass.projected = true;
  }
  if (!s.tokens && !pass.projected)
    pass.input_pairs =
        pair_product(context, s.N, pass.input_panels, call.weights.ih, Scratch::pairs, Scratch::input_pairs);
  pass.recurrent_pairs =
      pair_product(context, s.N, pass.recurrent_panels, call.weights.hh, Scratch::recurrent_pairs, Scratch::state_pairs);
  const int parts = sequence_parts(context.pool, s.N, tile_rows(Cell::kVectors));
  run_parts(context.pool, parts, [&](int part) {
    const int first = part_start(s.N, part, parts, 1);
    forward_sequences<Cell>(pass, memory, first, part_start(s.N, part + 1, parts, 1) - first);
  });
  finish_forward(call, gates, memory);
}

}  // namespace UNFOLD_SET
}  // namespace unfold
