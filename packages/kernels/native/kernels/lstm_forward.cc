// Long short-term memory as in PyTorch, gates i, f, g, o: c = f c₋₁ + i g, h = o tanh(c).
#include "recurrent_forward.h"

namespace unfold {
namespace UNFOLD_SET {
namespace {

struct LstmForward {
  static constexpr int kVectors = 4;
  static constexpr bool kRagged = false;

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
    const ptrdiff_t unit = row * step.padded + panel * kWidth;
    const Vec i = sigmoid(c[0]);
    const Vec f = sigmoid(c[1]);
    const Vec g = hyperbolic_tangent(c[2]);
    const Vec o = sigmoid(c[3]);
    const Vec cell = fma(f, load(step.cells_before + unit), mul(i, g));
    if (step.keep) {
      const Vec kept[4] = {i, f, g, o};
      store_row<4>(step.gates + row * step.gates_stride + static_cast<ptrdiff_t>(panel) * step.gates_panel,
                   kWidth, kept);
    }
    store(step.cells_after + unit, cell);
    store_units(step.output + static_cast<ptrdiff_t>(row) * step.H, panel, step.H, mul(o, hyperbolic_tangent(cell)));
  }
};

}  // namespace

void lstm_forward(const Context& context, const ForwardCall& call) { forward<LstmForward>(context, call); }

}  // namespace UNFOLD_SET
}  // namespace unfold
