// do = dh tanh(c); dc += dh o (1 − tanh²(c)); di = dc g; df = dc c₋₁; dg = dc i; dc₋₁ = dc f; each gate times its own slope.
#include "recurrent_backward.h"

namespace unfold {
namespace UNFOLD_SET {
namespace {

struct LstmBackward {
  UNFOLD_INLINE static void gradient(const BackwardStep& step, int row, int vector, Vec dh) {
    const ptrdiff_t unit = row * step.padded + vector * kWidth;
    float* const gates = step.gates + row * step.gates_stride + static_cast<ptrdiff_t>(vector) * 4 * kWidth;
    const Vec i = load(gates);
    const Vec f = load(gates + kWidth);
    const Vec g = load(gates + 2 * kWidth);
    const Vec o = load(gates + 3 * kWidth);
    const Vec one = broadcast(1.0f);
    const Vec tanh_c = hyperbolic_tangent(load(step.cells_after + unit));
    const Vec dc = fma(mul(dh, o), fnma(tanh_c, tanh_c, one), load(step.carried_cell + unit));
    store(gates, mul(mul(dc, g), fnma(i, i, i)));
    store(gates + kWidth, mul(mul(dc, load(step.cells_before + unit)), fnma(f, f, f)));
    store(gates + 2 * kWidth, mul(mul(dc, i), fnma(g, g, one)));
    store(gates + 3 * kWidth, mul(mul(dh, tanh_c), fnma(o, o, o)));
    store(step.carried_cell + unit, mul(dc, f));
  }
};

/** With options; c is made anew, since zoneout may have changed the one that was kept. */
struct LstmOptionsBackward {
  UNFOLD_INLINE static void gradient(const BackwardStep& step, int row, int vector, Vec dh) {
    const ptrdiff_t unit = row * step.padded + vector * kWidth;
    float* const gate = step.gates + row * step.gates_stride + (static_cast<ptrdiff_t>(vector) * 4 + 3) * kWidth;
    const Vec one = broadcast(1.0f);
    Vec kept;
    dh = through_zoneout(step.zoneout_hidden, unit, dh, kept);
    if (step.zoneout_hidden != nullptr) store(step.carried_hidden + unit, kept);
    const Vec dc = through_zoneout(step.zoneout_cell, unit, load(step.carried_cell + unit), kept);
    const LstmValues at = lstm_values(step, row, vector);
    const Vec o = load(gate);
    const Vec tanh_c = hyperbolic_tangent(at.cell());
    const Vec dz_o = mul(mul(dh, tanh_c), fnma(o, o, o));
    store(gate, dz_o);
    lstm_gates_gradient(step, row, vector, at, fma(mul(dh, o), fnma(tanh_c, tanh_c, one), dc), kept, dz_o);
  }
};

}  // namespace

void lstm_gradient(const BackwardStep& step, int row, int vector, Vec dh) { LstmOptionsBackward::gradient(step, row, vector, dh); }

void lstm_backward(const Context& context, const BackwardCall& call) {
  if (call.options.gated()) return backward<LstmOptionsBackward>(context, call);
  backward<LstmBackward>(context, call);
}

}  // namespace UNFOLD_SET
}  // namespace unfold
