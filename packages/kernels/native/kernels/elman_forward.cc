// h = φ(U x + W h₋₁ + b_ih + b_hh), φ being tanh or max(0, ·). The one gate that is kept is h itself.
#include "recurrent_forward.h"

namespace unfold {
namespace UNFOLD_SET {
namespace {

struct ElmanForward {
  static constexpr int kVectors = kPanel;
  static constexpr bool kRagged = true;

  template <int NV>
  UNFOLD_INLINE static void start(const float* gates, const float*, Vec (&c)[NV]) {
    load_row<NV>(gates, kWidth, c);
  }

  template <int NV>
  UNFOLD_INLINE static void start_token(const float*, const float* bias, const float* table, Vec (&c)[NV]) {
    UNFOLD_UNROLL
    for (int j = 0; j < NV; j++) c[j] = add(load(bias + j * kWidth), load(table + j * kWidth));
  }

  template <int NV>
  UNFOLD_INLINE static void finish(const ForwardStep& step, int row, int panel, Vec (&c)[NV]) {
    float* const gates = step.gates + row * step.gates_stride + static_cast<ptrdiff_t>(panel) * step.gates_panel;
    UNFOLD_UNROLL
    for (int j = 0; j < NV; j++) {
      const Vec h = step.cell == CellKind::elman_relu ? largest(broadcast(0.0f), c[j]) : hyperbolic_tangent(c[j]);
      if (step.keep) store(gates + j * kWidth, h);
      store_units(step.output + static_cast<ptrdiff_t>(row) * step.H, panel * kPanel + j, step.H, h);
    }
  }
};

}  // namespace

void elman_forward(const Context& context, const ForwardCall& call) { forward<ElmanForward>(context, call); }

}  // namespace UNFOLD_SET
}  // namespace unfold
