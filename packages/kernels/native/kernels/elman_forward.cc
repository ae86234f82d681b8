// h = φ(U x + W h₋₁ + b_ih + b_hh), φ being any activation. The one gate that is kept is φ's value, since zoneout may change h.
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
      const int vector = panel * kPanel + j;
      const ptrdiff_t at = static_cast<ptrdiff_t>(row) * step.H;
      Vec h = squash(step.activation, load(gates + j * kWidth));
      if (step.keep) store(gates + j * kWidth, h);
      if (step.zoneout_hidden != nullptr)
        h = zoned(load(step.zoneout_hidden + row * step.padded + vector * kWidth), load_units(step.previous + at, vector, step.H), h);
      store_units(step.output + at, vector, step.H, h);
    }
  }
};

}  // namespace

void elman_forward(const Context& context, const ForwardCall& call) {
  if (!call.options.recurrent) return independent_forward(context, call);
  forward<ElmanForward>(context, call);
}

}  // namespace UNFOLD_SET
}  // namespace unfold
