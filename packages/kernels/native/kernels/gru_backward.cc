// dz = dh (h₋₁ − n); dn' = dh (1 − z) (1 − n²); dr = dn' q; dq = dn' r; dh₋₁ = dh z, and the rest through W. Slots as in the forward pass.
#include "recurrent_backward.h"

namespace unfold {
namespace UNFOLD_SET {
namespace {

/** `Options`: with zoneout or recurrent dropout. */
template <bool Options>
struct GruBackward {
  UNFOLD_INLINE static void gradient(const BackwardStep& step, int row, int vector, Vec dh) {
    float* const gates = step.gates + row * step.gates_stride + static_cast<ptrdiff_t>(vector) * 4 * kWidth;
    const Vec n = load(gates);
    const Vec r = load(gates + kWidth);
    const Vec z = load(gates + 2 * kWidth);
    const Vec q = load(gates + 3 * kWidth);
    const Vec one = broadcast(1.0f);
    const Vec previous = load_units(step.previous + static_cast<ptrdiff_t>(row) * step.H, vector, step.H);
    const ptrdiff_t unit = row * step.padded + vector * kWidth;
    Vec kept = broadcast(0.0f);
    if (Options && step.zoneout_hidden != nullptr) {
      const Vec share = load(step.zoneout_hidden + unit);
      kept = mul(share, dh);
      dh = mul(sub(one, share), dh);
    }
    const Vec mask = Options && step.dropout != nullptr ? load(step.dropout + unit) : one;
    const Vec through = mul(dh, sub(one, z));
    const Vec dn = mul(Options ? mul(through, mask) : through, fnma(n, n, one));
    store(gates, dn);
    store(gates + kWidth, mul(mul(dn, q), fnma(r, r, r)));
    store(gates + 2 * kWidth, mul(mul(dh, sub(previous, Options ? mul(mask, n) : n)), fnma(z, z, z)));
    store(gates + 3 * kWidth, mul(dn, r));
    store(step.carried_hidden + unit, Options ? fma(dh, z, kept) : mul(dh, z));
  }
};

}  // namespace

void gru_gradient(const BackwardStep& step, int row, int vector, Vec dh) { GruBackward<true>::gradient(step, row, vector, dh); }

void gru_backward(const Context& context, const BackwardCall& call) {
  if (call.options.gated()) return backward<GruBackward<true>>(context, call);
  backward<GruBackward<false>>(context, call);
}

}  // namespace UNFOLD_SET
}  // namespace unfold
