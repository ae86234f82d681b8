// Gated recurrent unit as in PyTorch (reset after the product): n = tanh(a + r q) with a = U_n x + b_in and q = W_n h₋₁ + b_hn;
// h = (1 − z) n + z h₋₁. The slots of a block are n, r, z, q; n holds a until the cell is computed.
#include "recurrent_forward.h"

namespace unfold {
namespace UNFOLD_SET {
namespace {

struct GruForward {
  static constexpr int kVectors = 3;
  static constexpr bool kRagged = false;

  template <int NV>
  UNFOLD_INLINE static void start(const float* gates, const float* bias, Vec (&c)[NV]) {
    c[0] = load(gates + kWidth);
    c[1] = load(gates + 2 * kWidth);
    c[2] = load(bias + 3 * kWidth);
  }

  template <int NV>
  UNFOLD_INLINE static void start_token(float* gates, const float* bias, const float* table, Vec (&c)[NV]) {
    store(gates, add(load(bias), load(table)));
    c[0] = add(load(bias + kWidth), load(table + kWidth));
    c[1] = add(load(bias + 2 * kWidth), load(table + 2 * kWidth));
    c[2] = load(bias + 3 * kWidth);
  }

  template <int NV>
  UNFOLD_INLINE static void finish(const ForwardStep& step, int row, int panel, Vec (&c)[NV]) {
    float* const gates = step.gates + row * step.gates_stride + static_cast<ptrdiff_t>(panel) * step.gates_panel;
    const ptrdiff_t at = static_cast<ptrdiff_t>(row) * step.H;
    const Vec r = sigmoid(c[0]);
    const Vec z = sigmoid(c[1]);
    const Vec q = c[2];
    const Vec n = hyperbolic_tangent(fma(r, q, load(gates)));
    if (step.keep) {
      const Vec kept[4] = {n, r, z, q};
      store_row<4>(gates, kWidth, kept);
    }
    const Vec previous = load_units(step.previous + at, panel, step.H);
    store_units(step.output + at, panel, step.H, fma(z, previous, mul(sub(broadcast(1.0f), z), n)));
  }
};

}  // namespace

void gru_forward(const Context& context, const ForwardCall& call) { forward<GruForward>(context, call); }

}  // namespace UNFOLD_SET
}  // namespace unfold
