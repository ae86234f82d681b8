// Inverted dropout of whole sequences.
#include "masks.h"
#include "pointwise.h"

namespace unfold {
namespace UNFOLD_SET {

void dropout(const Context& context, const DropoutCall& call) {
  constexpr int kPart = 256;
  const float kept = static_cast<float>(1.0 / (1.0 - call.rate));
  run_parts(context.pool, call.T, [&](int t) {
    float mask[kPart];
    for (int n = 0; n < call.N; n++) {
      const uint32_t sequence = call.sequences != nullptr ? static_cast<uint32_t>(call.sequences[n]) : static_cast<uint32_t>(n);
      const uint32_t step = call.variational ? 0 : call.first_step + static_cast<uint32_t>(t);
      const ptrdiff_t row = (static_cast<ptrdiff_t>(t) * call.N + n) * call.H;
      for (int u = 0; u < call.H; u += kPart) {
        const int count = lesser(kPart, call.H - u);
        draw_mask({call.seed, call.purpose_word, call.step, sequence, step}, call.rate, 0.0f, kept, count, mask, u);
        // Multiplied by zero rather than replaced, so that NaN stays.
        for (int i = 0; i < count; i++) call.output[row + u + i] = call.input[row + u + i] * mask[i];
      }
    }
  });
}

}  // namespace UNFOLD_SET
}  // namespace unfold
