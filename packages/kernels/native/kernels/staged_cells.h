/** Cells that stages alone have, one vector of units at a time: GRUs with the reset before the product, and LSTMs whose c is normalised inside h. */
#pragma once

#include "recurrent_backward.h"
#include "staged.h"

namespace unfold {
namespace UNFOLD_SET {

/** h of a GRU whose r is in its place already. */
UNFOLD_INLINE void late_gru_cell(const ForwardStep& step, int row, int block) {
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
UNFOLD_INLINE void inner_cell(const ForwardStep& step, int row, int block, float* inner) {
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

/** Back through h = o tanh(gain ĉ + bias): o's gradient into its place, that of the sum inside into `arriving`. */
UNFOLD_INLINE void through_output(const BackwardStep& step, const StagedLayer& layer, int row, int block, float* arriving, const float* inner) {
  const int place = block * kWidth;
  const ptrdiff_t unit = row * step.padded + place;
  float* const gate = step.gates + row * step.gates_stride + static_cast<ptrdiff_t>(block) * 4 * kWidth + 3 * kWidth;
  const Vec one = broadcast(1.0f);
  Vec kept;
  const Vec dh = through_zoneout(step.zoneout_hidden, unit, load(arriving), kept);
  if (step.zoneout_hidden != nullptr) store(step.carried_hidden + unit, kept);
  const Vec o = load(gate);
  const Vec value = hyperbolic_tangent(fma(load(layer.gain_cell + place), load(inner + place), load(layer.bias_cell + place)));
  store(gate, mul(mul(dh, value), fnma(o, o, o)));
  store(arriving, mul(mul(dh, o), fnma(value, value, one)));
}

/** The rest of a normalised LSTM. @param arriving what reaches c through h */
UNFOLD_INLINE void inner_gradient(const BackwardStep& step, int row, int block, Vec arriving) {
  const ptrdiff_t unit = row * step.padded + block * kWidth;
  const Vec dz_o = load(step.gates + row * step.gates_stride + (static_cast<ptrdiff_t>(block) * 4 + 3) * kWidth);
  Vec kept;
  const Vec dc = through_zoneout(step.zoneout_cell, unit, load(step.carried_cell + unit), kept);
  lstm_gates_gradient(step, row, block, lstm_values(step, row, block), add(dc, arriving), kept, dz_o);
}

/** A GRU with the reset before the product; r waits for `through_reset`. n's gradient stands twice, for the input and for the product. */
UNFOLD_INLINE void late_gru_gradient(const BackwardStep& step, int row, int block, Vec dh) {
  float* const gates = step.gates + row * step.gates_stride + static_cast<ptrdiff_t>(block) * 4 * kWidth;
  const ptrdiff_t unit = row * step.padded + block * kWidth;
  const Vec one = broadcast(1.0f);
  Vec kept;
  dh = through_zoneout(step.zoneout_hidden, unit, dh, kept);
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

}  // namespace UNFOLD_SET
}  // namespace unfold
