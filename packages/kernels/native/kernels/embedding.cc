// Rows of a table by their numbers.
#include "pointwise.h"
#include "tile.h"

namespace unfold {
namespace UNFOLD_SET {

void embedding_forward(const Context& context, const EmbeddingCall& call) {
  constexpr int kRows = 256;
  run_parts(context.pool, (call.rows + kRows - 1) / kRows, [&](int part) {
    for (ptrdiff_t row = static_cast<ptrdiff_t>(part) * kRows; row < lesser(call.rows, (part + 1) * kRows); row++) {
      const bool absent = call.tokens[row] < 0;
      const float* const from = call.table + (absent ? 0 : static_cast<ptrdiff_t>(call.tokens[row]) * call.C);
      for (int k = 0; k < call.C; k++) call.output[row * call.C + k] = absent ? 0.0f : from[k];
    }
  });
}

/** Threads split the columns, so that the rows of a token are added in their order. */
void embedding_backward(const Context& context, const EmbeddingCall& call) {
  const int parts = lesser(context.pool.threads(), vectors_for(call.C));
  run_parts(context.pool, parts, [&](int part) {
    const int first = part_start(call.C, part, parts, kWidth);
    const int last = part_start(call.C, part + 1, parts, kWidth);
    for (ptrdiff_t row = 0; row < call.rows; row++) {
      if (call.tokens[row] < 0) continue;
      float* const to = call.d_table + static_cast<ptrdiff_t>(call.tokens[row]) * call.C;
      for (int k = first; k < last; k++) to[k] += call.d_output[row * call.C + k];
    }
  });
}

}  // namespace UNFOLD_SET
}  // namespace unfold
