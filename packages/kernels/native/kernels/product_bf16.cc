#include "product_bf16.h"

#include "../simd/bf16.h"

namespace unfold {
namespace UNFOLD_SET {
namespace {

/** Elements of K that are rounded and multiplied at once. */
constexpr int kPiece = 256;
/** Rows that are multiplied together before their sum is added to the gradient. */
constexpr int kGradientRows = 128;

void first_sums(const Product& call, int row_start, int rows, int panel) {
  const ptrdiff_t column = static_cast<ptrdiff_t>(panel) * call.c_panel_stride;
  const int lanes = panel == call.panels.count() - 1 ? call.last_lanes : kWidth;
  const int count = (call.panels.width_of(panel) - 1) * kWidth + lanes;
  for (int row = row_start; row < row_start + rows; row++) {
    float* const c = call.c + row * call.c_stride + column;
    for (int i = 0; i < count; i++) c[i] = call.bias == nullptr ? 0.0f : call.bias[column + i];
  }
}

void row_block_bf16(const DotTiles& dots, const Product& call, const Panels& panels, const uint32_t* b, int row_start, int rows) {
  alignas(64) uint32_t a[kRowBlock * kPiece / 2];
  if (!call.accumulate)
    for (int panel = 0; panel < panels.count(); panel++) first_sums(call, row_start, rows, panel);
  for (int k = 0; k < call.K; k += kPiece) {
    const int length = lesser(kPiece, call.K - k);
    pack_pairs(rows, call.a + row_start * call.a_stride, call.a_stride, call.a_segments, k, length, a);
    for (int panel = 0; panel < panels.count(); panel++) {
      const int vectors = panels.width_of(panel);
      const uint32_t* const part = b + panels.start(panel) + static_cast<ptrdiff_t>(k / 2) * vectors * kWidth;
      float* const c = call.c + row_start * call.c_stride + static_cast<ptrdiff_t>(panel) * call.c_panel_stride;
      const int lanes = panel == panels.count() - 1 ? call.last_lanes : kWidth;
      dot_product(dots, vectors, rows, {pairs_for(length), a, pair_stride(length), 1, part, c, call.c_stride, lanes, false});
    }
  }
}

/** Elements of two rows as pairs; `odd` null: there is no second row. */
void pair_rows(const float* even, const float* odd, int count, uint32_t* pairs) {
  for (int i = 0; i < count; i += kWidth) {
    const int left = lesser(kWidth, count - i);
    store_pairs(pairs + i, pair_up(load_part(even + i, left), odd == nullptr ? broadcast(0.0f) : load_part(odd + i, left)));
  }
}

/** x [rows, count] as slivers of `height` columns, [pairs of rows, height] each; the last is as narrow as it must be. */
void pack_slivers_bf16(const float* x, ptrdiff_t stride, int rows, int count, int height, uint32_t* line, uint32_t* packed) {
  const int depth = pairs_for(rows);
  for (int k = 0; k < depth; k++) {
    const float* const even = x + 2 * k * stride;
    pair_rows(even, 2 * k + 1 < rows ? even + stride : nullptr, count, line);
    for (int i = 0; i < count; i += height) {
      const int narrow = lesser(height, count - i);
      uint32_t* const to = packed + static_cast<ptrdiff_t>(i) * depth + k * narrow;
      for (int r = 0; r < narrow; r++) to[r] = line[i + r];
    }
  }
}

void pack_panel_bf16(const float* dy, ptrdiff_t stride, int rows, int vectors, int lanes, uint32_t* packed) {
  const int columns = (vectors - 1) * kWidth + lanes;
  for (int row = 0; row < rows; row += 2, dy += 2 * stride, packed += vectors * kWidth)
    pair_rows(dy, row + 1 < rows ? dy + stride : nullptr, columns, packed);
}

/** The gradients of the inputs [first, first + count); `work` has room for both packed operands and a line. */
void input_range_bf16(const DotTiles& dots, const GradientProduct& call, int first, int count, int height, uint32_t* work) {
  uint32_t* const line = work + static_cast<size_t>(kGradientRows / 2) * kPanel * kWidth;
  uint32_t* const slivers = line + vectors_for(count) * kWidth;
  for (int row = 0; row < call.rows; row += kGradientRows) {
    const int rows = lesser(kGradientRows, call.rows - row);
    const int depth = pairs_for(rows);
    pack_slivers_bf16(call.x + row * call.x_stride + first, call.x_stride, rows, count, height, line, slivers);
    for (int panel = 0; panel < call.panels.count(); panel++) {
      const int vectors = call.panels.width_of(panel);
      const int lanes = panel == call.panels.count() - 1 ? call.last_lanes : kWidth;
      const ptrdiff_t width = static_cast<ptrdiff_t>(vectors) * kWidth;
      pack_panel_bf16(call.dy + row * call.dy_stride + static_cast<ptrdiff_t>(panel) * call.dy_panel_stride, call.dy_stride, rows,
                      vectors, lanes, work);
      float* const dw = call.dw + call.panels.start(panel) + first * width;
      for (int i = 0; i < count; i += height) {
        const int narrow = lesser(height, count - i);
        dot_product(dots, vectors, narrow,
                    {depth, slivers + static_cast<ptrdiff_t>(i) * depth, 1, narrow, work, dw + i * width, width, kWidth, true});
      }
    }
  }
}

}  // namespace

void product_bf16(const Context& context, const Product& call) {
  const Panels panels = paired(call.panels);
  uint32_t* const b = context.scratch.words(Scratch::pairs, panels.size());
  pair_panels(context.pool, call.panels, call.b, b);
  const int unit = context.dots->rows[kPanel - 1];
  const int share = (call.M + context.pool.threads() - 1) / context.pool.threads();
  const int block = lesser(kRowBlock / unit * unit, (share + unit - 1) / unit * unit);
  run_parts(context.pool, (call.M + block - 1) / block, [&](int part) {
    row_block_bf16(*context.dots, call, panels, b, part * block, lesser(block, call.M - part * block));
  });
}

void gradient_product_bf16(const Context& context, const GradientProduct& call) {
  const int height = context.dots->rows[call.panels.width - 1];
  const int unit = 2 * height;
  const int units = (call.inputs + unit - 1) / unit;
  const int parts = lesser(context.pool.threads(), units);
  const size_t most = static_cast<size_t>((units + parts - 1) / parts) * unit + kWidth;
  const size_t room = static_cast<size_t>(kGradientRows / 2) * (kPanel * kWidth + most) + most;
  uint32_t* const work = context.scratch.words(Scratch::packed, room * parts);
  run_parts(context.pool, parts, [&](int part) {
    const int first = part_start(call.inputs, part, parts, unit);
    const int count = part_start(call.inputs, part + 1, parts, unit) - first;
    input_range_bf16(*context.dots, call, first, count, height, work + room * part);
  });
}

}  // namespace UNFOLD_SET
}  // namespace unfold
