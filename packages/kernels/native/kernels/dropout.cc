// Inverted dropout of whole sequences.
#include "masks.h"
#include "pointwise.h"

namespace unfold {
namespace UNFOLD_SET {
namespace {

/** What units `first` … `first` + count − 1 of sequence n are multiplied by at one time step. */
void draw_units(const DropoutCall& call, int n, uint32_t t, int first, int count, float* mask) {
  const float kept = static_cast<float>(1.0 / (1.0 - call.rate));
  const uint32_t sequence = call.sequences != nullptr ? static_cast<uint32_t>(call.sequences[n]) : static_cast<uint32_t>(n);
  draw_mask({call.seed, call.purpose_word, call.step, sequence, t}, call.rate, 0.0f, kept, count, mask, first);
}

}  // namespace

void dropout(const Context& context, const DropoutCall& call) {
  const ptrdiff_t H = call.H;
  float* const masks = call.variational ? context.scratch.floats(Scratch::masks, static_cast<size_t>(call.N) * call.H) : nullptr;
  if (masks != nullptr) run_parts(context.pool, call.N, [&](int n) { draw_units(call, n, 0, 0, call.H, masks + n * H); });
  run_parts(context.pool, call.T, [&](int t) {
    constexpr int kPart = 256;
    float room[kPart];
    for (int n = 0; n < call.N; n++)
      for (int u = 0; u < call.H; u += kPart) {
        const int count = lesser(kPart, call.H - u);
        if (masks == nullptr) draw_units(call, n, call.first_step + static_cast<uint32_t>(t), u, count, room);
        const float* const mask = masks == nullptr ? room : masks + n * H + u;
        const ptrdiff_t at = (static_cast<ptrdiff_t>(t) * call.N + n) * H + u;
        // Multiplied by zero rather than replaced, so that NaN stays.
        for (int i = 0; i < count; i++) call.output[at + i] = call.input[at + i] * mask[i];
      }
  });
}

}  // namespace UNFOLD_SET
}  // namespace unfold
