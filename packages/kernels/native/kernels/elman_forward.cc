// h = φ(U x + W h₋₁ + b_ih + b_hh), φ being any activation. The one gate that is kept is φ's value, since zoneout may change h.
#include "staged.h"

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

  UNFOLD_INLINE static void unit(const ForwardStep& step, int row, float* gate, int vector) {
    const ptrdiff_t at = static_cast<ptrdiff_t>(row) * step.H;
    Vec h = squash(step.activation, load(gate));
    if (step.keep) store(gate, h);
    if (step.zoneout_hidden != nullptr)
      h = zoned(load(step.zoneout_hidden + row * step.padded + vector * kWidth), load_units(step.previous + at, vector, step.H), h);
    store_units(step.output + at, vector, step.H, h);
  }

  static void finish(const ForwardStep& step, int row, int panel, int vectors) {
    float* const gates = step.gates + row * step.gates_stride + static_cast<ptrdiff_t>(panel) * step.gates_panel;
    for (int j = 0; j < vectors; j++) unit(step, row, gates + j * kWidth, panel * kPanel + j);
  }
};

}  // namespace

void elman_cell(const ForwardStep& step, int row, int vector) {
  ElmanForward::unit(step, row, step.gates + row * step.gates_stride + static_cast<ptrdiff_t>(vector) * kWidth, vector);
}

void elman_forward(const Context& context, const ForwardCall& call) {
  if (!call.options.recurrent) return independent_forward(context, call);
  forward<ElmanForward>(context, call);
}

}  // namespace UNFOLD_SET
}  // namespace unfold
