// Long short-term memory as in PyTorch, gates i, f, g, o: c = f c₋₁ + i g, h = o tanh(c).
#include "staged.h"

namespace unfold {
namespace UNFOLD_SET {
namespace {

/** `Options`: with any of peepholes, another activation of the candidate, zoneout and recurrent dropout. */
template <bool Options>
struct LstmForward {
  static constexpr int kVectors = 4;
  static constexpr bool kRagged = false;

  static void start(float* gates, const float* bias, const float* table, int) {
    if (table == nullptr) return;
    UNFOLD_UNROLL
    for (int j = 0; j < 4; j++) store(gates + j * kWidth, add(load(bias + j * kWidth), load(table + j * kWidth)));
  }

  static void finish(const ForwardStep& step, int row, int panel, int) {
    const ptrdiff_t unit = row * step.padded + panel * kWidth;
    float* const gates = step.gates + row * step.gates_stride + static_cast<ptrdiff_t>(panel) * step.gates_panel;
    const float* const peephole = Options && step.peephole != nullptr ? step.peephole + panel * kWidth : nullptr;
    const auto see = [&](int gate, Vec sum, Vec cell) {
      return peephole == nullptr ? sum : fma(load(peephole + gate * step.padded), cell, sum);
    };
    const Vec before = load(step.cells_before + unit);
    const Vec i = sigmoid(see(0, load(gates), before));
    const Vec f = sigmoid(see(1, load(gates + kWidth), before));
    const Vec g = squash(Options ? step.activation : Activation::tanh, load(gates + 2 * kWidth));
    const Vec candidate = Options && step.dropout != nullptr ? mul(load(step.dropout + unit), g) : g;
    Vec cell = fma(f, before, mul(i, candidate));
    const Vec o = sigmoid(see(2, load(gates + 3 * kWidth), cell));
    Vec h = mul(o, hyperbolic_tangent(cell));
    if (step.keep) {
      store(gates, i);
      store(gates + kWidth, f);
      store(gates + 2 * kWidth, g);
      store(gates + 3 * kWidth, o);
    }
    const ptrdiff_t at = static_cast<ptrdiff_t>(row) * step.H;
    if (Options && step.zoneout_cell != nullptr) cell = zoned(load(step.zoneout_cell + unit), before, cell);
    if (Options && step.zoneout_hidden != nullptr)
      h = zoned(load(step.zoneout_hidden + unit), load_units(step.previous + at, panel, step.H), h);
    store(step.cells_after + unit, cell);
    store_units(step.output + at, panel, step.H, h);
  }
};

}  // namespace

void lstm_cell(const ForwardStep& step, int row, int vector) { LstmForward<true>::finish(step, row, vector, 0); }

void lstm_forward(const Context& context, const ForwardCall& call) {
  if (call.options.gated()) return forward<LstmForward<true>>(context, call);
  forward<LstmForward<false>>(context, call);
}

}  // namespace UNFOLD_SET
}  // namespace unfold
