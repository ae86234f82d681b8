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

/**
 * With options: κ' in the place of tanh's slope, m the mask of recurrent dropout; dc += p_o dz_o, dc₋₁ += p_i dz_i + p_f dz_f; dp = Σ dz c. c is
 * made anew, since zoneout may have changed the one that was kept.
 */
struct LstmOptionsBackward {
  UNFOLD_INLINE static void gradient(const BackwardStep& step, int row, int vector, Vec dh) {
    const ptrdiff_t unit = row * step.padded + vector * kWidth;
    float* const gates = step.gates + row * step.gates_stride + static_cast<ptrdiff_t>(vector) * 4 * kWidth;
    const Vec one = broadcast(1.0f);
    Vec dc = load(step.carried_cell + unit);
    Vec kept = broadcast(0.0f);
    if (step.zoneout_hidden != nullptr) {
      const Vec share = load(step.zoneout_hidden + unit);
      store(step.carried_hidden + unit, mul(share, dh));
      dh = mul(sub(one, share), dh);
    }
    if (step.zoneout_cell != nullptr) {
      const Vec share = load(step.zoneout_cell + unit);
      kept = mul(share, dc);
      dc = mul(sub(one, share), dc);
    }
    const Vec i = load(gates);
    const Vec f = load(gates + kWidth);
    const Vec g = load(gates + 2 * kWidth);
    const Vec o = load(gates + 3 * kWidth);
    const Vec mask = step.dropout == nullptr ? one : load(step.dropout + unit);
    const Vec before = load(step.cells_before + unit);
    const Vec cell = fma(f, before, mul(i, mul(mask, g)));
    const Vec tanh_c = hyperbolic_tangent(cell);
    const Vec dz_o = mul(mul(dh, tanh_c), fnma(o, o, o));
    dc = fma(mul(dh, o), fnma(tanh_c, tanh_c, one), dc);
    const float* const peephole = step.peephole == nullptr ? nullptr : step.peephole + vector * kWidth;
    if (peephole != nullptr) dc = fma(load(peephole + 2 * step.padded), dz_o, dc);
    const Vec masked = mul(dc, mask);
    const Vec dz_i = mul(mul(masked, g), fnma(i, i, i));
    const Vec dz_f = mul(mul(dc, before), fnma(f, f, f));
    store(gates, dz_i);
    store(gates + kWidth, dz_f);
    store(gates + 2 * kWidth, mul(mul(masked, i), squash_slope(step.activation, g)));
    store(gates + 3 * kWidth, dz_o);
    Vec passed = fma(dc, f, kept);
    if (peephole != nullptr) {
      passed = fma(load(peephole), dz_i, fma(load(peephole + step.padded), dz_f, passed));
      float* const sums = step.peephole_sums + row * 3 * step.padded + vector * kWidth;
      store(sums, fma(dz_i, before, load(sums)));
      store(sums + step.padded, fma(dz_f, before, load(sums + step.padded)));
      store(sums + 2 * step.padded, fma(dz_o, cell, load(sums + 2 * step.padded)));
    }
    store(step.carried_cell + unit, passed);
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
