#include "pairs.h"

#include "../simd/bf16.h"

namespace unfold {
namespace UNFOLD_SET {

void pack_pairs(int rows, const float* a, ptrdiff_t stride, Segments segments, int first, int K, uint32_t* packed) {
  const int words = pair_stride(K);
  for (int row = 0; row < rows; row++) {
    const float* const from = a + row * stride;
    uint16_t* const to = reinterpret_cast<uint16_t*>(packed + static_cast<ptrdiff_t>(row) * words);
    for (int k = 0; k < K; k += kWidth) {
      const float* const p = from + segments.place(first + k);
      store_upper_halves(to + k, rounded_bits(K - k >= kWidth ? load(p) : load_part(p, K - k)));
    }
  }
}

void pair_panels(Pool& pool, const Panels& from, const float* source, uint32_t* target) {
  const Panels to = paired(from);
  run_parts(pool, to.count(), [&](int panel) {
    const int columns = to.width_of(panel) * kWidth;
    const float* row = source + from.start(panel);
    uint32_t* out = target + to.start(panel);
    for (int k = 0; k < from.depth; k += 2, row += 2 * columns, out += columns)
      for (int column = 0; column < columns; column += kWidth) {
        const Vec odd = k + 1 < from.depth ? load(row + columns + column) : broadcast(0.0f);
        store_pairs(out + column, pair_up(load(row + column), odd));
      }
  });
}

void dot_product(const DotTiles& dots, int vectors, int rows, DotCall call) {
  const int depth = call.depth;
  for (int k = 0; k < depth; k += kDepth) {
    call.depth = lesser(kDepth, depth - k);
    dots.panel[vectors - 1](rows, call);
    call.a += kDepth * call.a_pair;
    call.b += static_cast<ptrdiff_t>(kDepth) * vectors * kWidth;
  }
}

}  // namespace UNFOLD_SET
}  // namespace unfold
