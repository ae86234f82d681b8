// Long short-term memory as in PyTorch, gates i, f, g, o: c = f c₋₁ + i g, h = o tanh(c).
#include "recurrent_forward.h"

namespace unfold {
namespace UNFOLD_SET {
namespace {

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
    const Vec i = sigmoid(load(gates));
    const Vec f = sigmoid(load(gates + kWidth));
    const Vec g = hyperbolic_tangent(load(gates + 2 * kWidth));
    const Vec o = sigmoid(load(gates + 3 * kWidth));
    const Vec cell = fma(f, load(step.cells_before + unit), mul(i, g));
    if (step.keep) {
      store(gates, i);
      store(gates + kWidth, f);
      store(gates + 2 * kWidth, g);
      store(gates + 3 * kWidth, o);
    }
    store(step.cells_after + unit, cell);
    store_units(step.output + static_cast<ptrdiff_t>(row) * step.H, panel, step.H, mul(o, hyperbolic_tangent(cell)));
  }
};

}  // namespace

void lstm_forward(const Context& context, const ForwardCall& call) { forward<LstmForward>(context, call); }

}  // namespace UNFOLD_SET
}  // namespace unfold
