#include "product_bf16.h"

namespace unfold {
namespace UNFOLD_SET {
namespace {

/** A row's first sums: the bias. */
void copy_bias(const float* bias, int count, float* c) {
  for (int i = 0; i < count; i++) c[i] = bias[i];
}

/** One piece of K over one panel and up to kRowBlock rows. */
template <int NV>
void panel_piece(const Product& call, int row_start, int rows, int panel, int k, int depth) {
  const ptrdiff_t column = static_cast<ptrdiff_t>(panel) * call.c_panel_stride;
  float* const c = call.c + row_start * call.c_stride + column;
  const int lanes = panel == call.panels.count() - 1 ? call.last_lanes : kWidth;
  Sums sums = call.accumulate || k > 0 ? Sums::continued : Sums::fresh;
  if (sums == Sums::fresh && call.bias != nullptr) {
    for (int row = 0; row < rows; row++)
      copy_bias(call.bias + column, (NV - 1) * kWidth + lanes, c + row * call.c_stride);
    sums = Sums::continued;
  }
  const TileOperands operands{depth,
                              call.a + row_start * call.a_stride + call.a_segments.place(k),
                              call.a_stride,
                              call.a_segments,
                              call.b + call.panels.start(panel) + static_cast<ptrdiff_t>(k) * NV * kWidth,
                              nullptr,
                              0};
  tiles<NV>(rows, operands, nullptr, sums, c, call.c_stride, lanes);
}

void row_block(const Product& call, int row_start, int rows) {
  const int piece = call.a_segments.piece(kDepth);
  int k = 0;
  // At least once: without any k there still is a bias to store.
  do {
    const int depth = lesser(piece, call.K - k);
    for (int panel = 0; panel < call.panels.count(); panel++)
      with_size<kPanel>(call.panels.width_of(panel), [&](auto width) {
        panel_piece<decltype(width)::value>(call, row_start, rows, panel, k, depth);
      });
    k += depth;
  } while (k < call.K);
}

}  // namespace

void product(const Context& context, const Product& call) {
  if (call.M <= 0 || call.panels.vectors <= 0) return;
  if (context.dots != nullptr) return product_bf16(context, call);
  Pool& pool = context.pool;
  // Few rows are shared out evenly, many go in blocks that a thread takes when it has finished its last.
  constexpr int unit = tile_rows(kPanel);
  const int share = (call.M + pool.threads() - 1) / pool.threads();
  const int block = lesser(kRowBlock, (share + unit - 1) / unit * unit);
  const int parts = (call.M + block - 1) / block;
  run_parts(pool, parts, [&](int part) { row_block(call, part * block, lesser(block, call.M - part * block)); });
}

}  // namespace UNFOLD_SET
}  // namespace unfold
