/**
 * The time loop of a recurrent layer. Each thread takes some sequences through all steps, so that no step waits for another thread. For a
 * block of its rows and one panel of recurrent weights, a tile holds all gates of its units while K runs; then the cell is computed where
 * the sums are, in registers.
 *
 * A cell is a type with
 *   kVectors: most vectors of its panels;
 *   kRagged: whether its last panel may be narrower;
 *   start(gates, bias, c): the recurrent sums' first value, given the input's product in `gates`;
 *   start_token(gates, bias, table, c): the same from a token's row of input weights;
 *   finish(step, row, panel, lanes, c): the pointwise part, which leaves h, the cell state and, if they are kept, the gates.
 * `gates` and `bias` point to a panel's slots, `c` is a row of a tile.
 */
#pragma once

#include "../simd/elementary.h"
#include "recurrent.h"

namespace unfold {
namespace UNFOLD_SET {

/** One step of some rows, as `finish` sees it: pointers to the first of these rows. */
struct ForwardStep {
  CellKind cell;
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
};

/** h of one vector of units, of which the last may be a part. */
UNFOLD_INLINE void store_units(float* row, int vector, int H, Vec h) {
  const int left = H - vector * kWidth;
  if (left >= kWidth)
    store(row + vector * kWidth, h);
  else
    store_part(row + vector * kWidth, h, left);
}

UNFOLD_INLINE Vec load_units(const float* row, int vector, int H) {
  const int left = H - vector * kWidth;
  return left >= kWidth ? load(row + vector * kWidth) : load_part(row + vector * kWidth, left);
}

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
};

/** The start of weights that will be read after `b`'s piece, for tile number `tile`; null once all of it has been asked for. */
UNFOLD_INLINE const float* ahead_of(const float* next, int tile, int depth, int NV) {
  return tile < NV * kWidth / 16 ? next + static_cast<ptrdiff_t>(tile) * depth * 16 : nullptr;
}

/** gates = bias + x U for one panel and some rows. */
template <int NV>
void input_panel(const ForwardPass& pass, const ForwardStep& step, const float* x, int rows, int panel) {
  const int C = pass.call.sizes.C;
  const float* const bias = pass.bias + static_cast<ptrdiff_t>(panel) * pass.gates.panel_stride();
  const float* const weights = pass.call.weights.ih + pass.input_panels.start(panel);
  float* const gates = step.gates + static_cast<ptrdiff_t>(panel) * step.gates_panel;
  for (int k = 0; k < C; k += kDepth) {
    const int depth = lesser(kDepth, C - k);
    for_tiles<NV>(rows, [&](auto size, int row) {
      constexpr int MR = decltype(size)::value;
      Vec c[MR][NV];
      UNFOLD_UNROLL
      for (int r = 0; r < MR; r++) load_row<NV>(k == 0 ? bias : gates + (row + r) * step.gates_stride, kWidth, c[r]);
      accumulate<MR, NV>(depth, x + static_cast<ptrdiff_t>(row) * C + k, C, 1,
                         weights + static_cast<ptrdiff_t>(k) * NV * kWidth, c, nullptr);
      UNFOLD_UNROLL
      for (int r = 0; r < MR; r++) store_row<NV>(gates + (row + r) * step.gates_stride, kWidth, c[r]);
    });
  }
}

/** One panel of one step: recurrent product and cell. `tokens` are those of the rows, null for dense input. */
template <class Cell, int NV>
void recurrent_panel(const ForwardPass& pass, const ForwardStep& step, const int32_t* tokens, int rows, int panel) {
  const int H = pass.gates.H;
  const float* const bias = pass.bias + static_cast<ptrdiff_t>(panel) * pass.gates.panel_stride();
  const float* const weights = pass.call.weights.hh + pass.recurrent_panels.start(panel);
  const ptrdiff_t token_stride = static_cast<ptrdiff_t>(pass.input_panels.vectors) * kWidth;
  const float* const table = pass.call.weights.ih + static_cast<ptrdiff_t>(panel) * pass.input_panels.width * kWidth;
  float* const gates = step.gates + static_cast<ptrdiff_t>(panel) * step.gates_panel;
  float* const sums = gates + pass.gates.recurrent_slot() * kWidth;
  const bool last_panel = panel == pass.recurrent_panels.count() - 1;
  for (int k = 0; k < H; k += kDepth) {
    const int depth = lesser(kDepth, H - k);
    const float* const b = weights + static_cast<ptrdiff_t>(k) * NV * kWidth;
    const bool last_piece = k + depth == H;
    const float* const next = last_piece && last_panel ? pass.call.weights.hh : b + static_cast<ptrdiff_t>(depth) * NV * kWidth;
    for_tiles<NV>(rows, [&](auto size, int row) {
      constexpr int MR = decltype(size)::value;
      Vec c[MR][NV];
      UNFOLD_UNROLL
      for (int r = 0; r < MR; r++) {
        float* const own = gates + (row + r) * step.gates_stride;
        if (k > 0)
          load_row<NV>(sums + (row + r) * step.gates_stride, kWidth, c[r]);
        else if (tokens != nullptr)
          Cell::template start_token<NV>(own, bias, table + tokens[row + r] * token_stride, c[r]);
        else
          Cell::template start<NV>(own, bias, c[r]);
      }
      accumulate<MR, NV>(depth, step.previous + static_cast<ptrdiff_t>(row) * H + k, H, 1, b, c,
                         ahead_of(next, row / tile_rows(NV), depth, NV));
      if (last_piece) {
        if constexpr (MR * NV > 16) {
          // Written out for so many rows, the cell would not fit in the instruction cache: it takes them from the first cache instead.
          float rows_of_sums[MR][NV * kWidth];
          UNFOLD_UNROLL
          for (int r = 0; r < MR; r++) store_row<NV>(rows_of_sums[r], kWidth, c[r]);
          for (int r = 0; r < MR; r++) {
            Vec sums_of_row[NV];
            load_row<NV>(rows_of_sums[r], kWidth, sums_of_row);
            Cell::template finish<NV>(step, row + r, panel, sums_of_row);
          }
        } else {
          UNFOLD_UNROLL
          for (int r = 0; r < MR; r++) Cell::template finish<NV>(step, row + r, panel, c[r]);
        }
      } else {
        UNFOLD_UNROLL
        for (int r = 0; r < MR; r++) store_row<NV>(sums + (row + r) * step.gates_stride, kWidth, c[r]);
      }
    });
  }
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
      const int rows = lesser(kRowBlock, first + count - start);
      const ptrdiff_t row = static_cast<ptrdiff_t>(t) * s.N + start;
      ForwardStep step;
      step.cell = s.cell;
      step.H = s.H;
      step.padded = padded;
      step.keep = keep;
      step.gates = keep ? call.saved.gates + row * columns : room;
      step.gates_stride = keep ? columns : kPanel * kWidth;
      step.gates_panel = keep ? pass.gates.panel_stride() : 0;
      step.previous = t == 0 ? memory.first + static_cast<ptrdiff_t>(start) * s.H : memory.output + (row - s.N) * s.H;
      step.output = memory.output + row * s.H;
      step.cells_before = memory.cells + (static_cast<ptrdiff_t>(t % memory.cell_slots) * s.N + start) * padded;
      step.cells_after = memory.cells + (static_cast<ptrdiff_t>((t + 1) % memory.cell_slots) * s.N + start) * padded;
      const int32_t* const tokens = s.tokens ? call.tokens + row : nullptr;
      for (int panel = 0; panel < pass.recurrent_panels.count(); panel++)
        with_panel<Cell>(pass.recurrent_panels.width_of(panel), [&](auto width) {
          constexpr int NV = decltype(width)::value;
          if (tokens == nullptr && !pass.projected) input_panel<NV>(pass, step, call.input + row * s.C, rows, panel);
          recurrent_panel<Cell, NV>(pass, step, tokens, rows, panel);
        });
    }
  }
}

template <class Cell>
void forward(const Context& context, const ForwardCall& call) {
  const RecurrentSizes& s = call.sizes;
  const Gates gates{s.cell, s.H};
  const ForwardMemory memory = prepare_forward(context, call, gates);
  ForwardPass pass{call, gates, gates.panels(s.C), gates.panels(s.H), combined_bias(context, call.weights, gates), false};
  if (call.saved.gates != nullptr && !s.tokens) {
    project_input(context, call, gates, pass.bias);
    pass.projected = true;
  }
  constexpr int unit = tile_rows(Cell::kVectors);
  const int parts = lesser(context.pool.threads(), (s.N + unit - 1) / unit);
  run_parts(context.pool, parts, [&](int part) {
    const int first = part_start(s.N, part, parts, unit);
    forward_sequences<Cell>(pass, memory, first, part_start(s.N, part + 1, parts, unit) - first);
  });
  finish_forward(call, gates, memory);
}

}  // namespace UNFOLD_SET
}  // namespace unfold
