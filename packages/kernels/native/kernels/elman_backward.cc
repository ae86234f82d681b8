// dz = dh φ'(z), which h tells: 1 − h² for tanh; 1 where h > 0 and 0 elsewhere for max(0, ·), NaN where h is.
#include "recurrent_backward.h"

namespace unfold {
namespace UNFOLD_SET {
namespace {

struct ElmanBackward {
  static constexpr int kCarries = 0;

  UNFOLD_INLINE static void gradient(const BackwardStep& step, int row, int vector, Vec dh) {
    float* const gates = step.gates + row * step.gates_stride + static_cast<ptrdiff_t>(vector) * kWidth;
    const Vec h = load(gates);
    if (step.cell == CellKind::elman_relu) {
      // h times a huge number, held to 1: exactly 1 for every h > 0 that is not denormal, which is flushed anyway.
      const Vec steep = mul(mul(h, broadcast(3e38f)), broadcast(3e38f));
      store(gates, mul(dh, smallest(broadcast(1.0f), steep)));
    } else {
      store(gates, mul(dh, fnma(h, h, broadcast(1.0f))));
    }
  }
};

}  // namespace

void elman_backward(const Context& context, const BackwardCall& call) { backward<ElmanBackward>(context, call); }

}  // namespace UNFOLD_SET
}  // namespace unfold
