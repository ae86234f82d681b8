// dz = dh φ'(z), which φ's value tells.
#include "recurrent_backward.h"

namespace unfold {
namespace UNFOLD_SET {
namespace {

struct ElmanBackward {
  UNFOLD_INLINE static void gradient(const BackwardStep& step, int row, int vector, Vec dh) {
    float* const gates = step.gates + row * step.gates_stride + static_cast<ptrdiff_t>(vector) * kWidth;
    if (step.zoneout_hidden != nullptr) {
      const ptrdiff_t unit = row * step.padded + vector * kWidth;
      const Vec share = load(step.zoneout_hidden + unit);
      store(step.carried_hidden + unit, mul(share, dh));
      dh = mul(sub(broadcast(1.0f), share), dh);
    }
    store(gates, mul(dh, squash_slope(step.activation, load(gates))));
  }
};

}  // namespace

void elman_gradient(const BackwardStep& step, int row, int vector, Vec dh) { ElmanBackward::gradient(step, row, vector, dh); }

void elman_backward(const Context& context, const BackwardCall& call) {
  if (!call.options.recurrent) return independent_backward(context, call);
  backward<ElmanBackward>(context, call);
}

}  // namespace UNFOLD_SET
}  // namespace unfold
