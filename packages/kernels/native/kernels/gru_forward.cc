// Gated recurrent unit as in PyTorch (reset after the product): n = tanh(a + r q) with a = U_n x + b_in and q = W_n h₋₁ + b_hn;
// h = (1 − z) n + z h₋₁. The slots of a block are n, r, z, q; n holds a until the cell is computed.
#include "staged.h"

namespace unfold {
namespace UNFOLD_SET {
namespace {

/** `Options`: with zoneout or recurrent dropout. */
template <bool Options>
struct GruForward {
  static constexpr int kVectors = 3;
  static constexpr bool kRagged = false;

  static void start(float* gates, const float* bias, const float* table, int) {
    if (table != nullptr) {
      UNFOLD_UNROLL
      for (int j = 0; j < 3; j++) store(gates + j * kWidth, add(load(bias + j * kWidth), load(table + j * kWidth)));
    }
    store(gates + 3 * kWidth, load(bias + 3 * kWidth));
  }

  static void finish(const ForwardStep& step, int row, int panel, int) {
    float* const gates = step.gates + row * step.gates_stride + static_cast<ptrdiff_t>(panel) * step.gates_panel;
    const ptrdiff_t at = static_cast<ptrdiff_t>(row) * step.H;
    const Vec r = sigmoid(load(gates + kWidth));
    const Vec z = sigmoid(load(gates + 2 * kWidth));
    const Vec n = hyperbolic_tangent(fma(r, load(gates + 3 * kWidth), load(gates)));
    if (step.keep) {
      store(gates, n);
      store(gates + kWidth, r);
      store(gates + 2 * kWidth, z);
    }
    const ptrdiff_t unit = row * step.padded + panel * kWidth;
    const Vec previous = load_units(step.previous + at, panel, step.H);
    const Vec candidate = Options && step.dropout != nullptr ? mul(load(step.dropout + unit), n) : n;
    Vec h = fma(z, previous, mul(sub(broadcast(1.0f), z), candidate));
    if (Options && step.zoneout_hidden != nullptr) h = zoned(load(step.zoneout_hidden + unit), previous, h);
    store_units(step.output + at, panel, step.H, h);
  }
};

}  // namespace

void gru_cell(const ForwardStep& step, int row, int vector) { GruForward<true>::finish(step, row, vector, 0); }

void gru_forward(const Context& context, const ForwardCall& call) {
  if (call.options.gated()) return forward<GruForward<true>>(context, call);
  forward<GruForward<false>>(context, call);
}

}  // namespace UNFOLD_SET
}  // namespace unfold
