// h = φ(U x + W h₋₁ + b_ih + b_hh), φ being tanh or max(0, ·). The one gate that is kept is h itself.
#include "recurrent_forward.h"

namespace unfold {
namespace UNFOLD_SET {
namespace {

struct ElmanForward {
  static constexpr int kVectors = kPanel;
  static constexpr bool kRagged = true;

  static void start(float* gates, const float* bias, const float* table, int vectors) {
    if (table == nullptr) return;
    for (int j = 0; j < vectors; j++) store(gates + j * kWidth, add(load(bias + j * kWidth), load(table + j * kWidth)));
  }

  static void finish(const ForwardStep& step, int row, int panel, int vectors) {
    float* const gates = step.gates + row * step.gates_stride + static_cast<ptrdiff_t>(panel) * step.gates_panel;
    for (int j = 0; j < vectors; j++) {
      const Vec sum = load(gates + j * kWidth);
      const Vec h = step.cell == CellKind::elman_relu ? largest(broadcast(0.0f), sum) : hyperbolic_tangent(sum);
      if (step.keep) store(gates + j * kWidth, h);
      store_units(step.output + static_cast<ptrdiff_t>(row) * step.H, panel * kPanel + j, step.H, h);
    }
  }
};

}  // namespace

void elman_forward(const Context& context, const ForwardCall& call) { forward<ElmanForward>(context, call); }

}  // namespace UNFOLD_SET
}  // namespace unfold
