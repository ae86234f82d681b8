// Dropout masks from the counter-based generator Philox4x32-10 (Salmon, Moraes, Dror and Shaw, 2011), word order as in Random123.
#include "pointwise.h"
#include "tile.h"

namespace unfold {
namespace UNFOLD_SET {
namespace {

void philox(uint32_t x0, uint32_t x1, uint32_t x2, uint32_t x3, uint32_t key0, uint32_t key1, uint32_t (&out)[4]) {
  for (int round = 0; round < 10; round++) {
    const uint64_t first = uint64_t{0xd2511f53u} * x0;
    const uint64_t second = uint64_t{0xcd9e8d57u} * x2;
    x0 = static_cast<uint32_t>(second >> 32) ^ x1 ^ key0;
    x1 = static_cast<uint32_t>(second);
    x2 = static_cast<uint32_t>(first >> 32) ^ x3 ^ key1;
    x3 = static_cast<uint32_t>(first);
    key0 += 0x9e3779b9u;
    key1 += 0xbb67ae85u;
  }
  out[0] = x0;
  out[1] = x1;
  out[2] = x2;
  out[3] = x3;
}

}  // namespace

void dropout(const Context& context, const DropoutCall& call) {
  const float kept = static_cast<float>(1.0 / (1.0 - call.rate));
  run_parts(context.pool, call.T, [&](int t) {
    for (int n = 0; n < call.N; n++) {
      const uint32_t sequence = call.sequences != nullptr ? static_cast<uint32_t>(call.sequences[n]) : static_cast<uint32_t>(n);
      const ptrdiff_t row = (static_cast<ptrdiff_t>(t) * call.N + n) * call.H;
      for (int u = 0; u < call.H; u += 4) {
        uint32_t words[4];
        philox(call.step, sequence, call.first_step + static_cast<uint32_t>(t), static_cast<uint32_t>(u / 4), call.seed,
               call.purpose_word, words);
        for (int i = 0; i < lesser(4, call.H - u); i++) {
          const bool dropped = (words[i] >> 8) * 0x1p-24 < call.rate;
          // Multiplied by zero rather than replaced, so that NaN stays.
          call.output[row + u + i] = call.input[row + u + i] * (dropped ? 0.0f : kept);
        }
      }
    }
  });
}

}  // namespace UNFOLD_SET
}  // namespace unfold
