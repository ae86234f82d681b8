#include "product_bf16.h"

namespace unfold {
namespace UNFOLD_SET {
namespace {

/** Rows that are multiplied together before their sum is added to the gradient: both operands' parts stay in the caches. */
constexpr int kGradientDepth = 128;

/** x [depth rows, count columns] as slivers of `height` columns, [depth, height] each; the last is as narrow as it must be. */
void pack_slivers(const float* x, ptrdiff_t stride, int depth, int count, int height, float* packed) {
  for (int i = 0; i < count; i += height) {
    const int narrow = lesser(height, count - i);
    for (int k = 0; k < depth; k++)
      for (int r = 0; r < narrow; r++) *packed++ = x[k * stride + i + r];
  }
}

template <int NV>
void pack_panel(const float* dy, ptrdiff_t stride, int depth, int lanes, float* packed) {
  for (int k = 0; k < depth; k++) {
    Vec row[NV];
    load_row<NV>(dy + k * stride, lanes, row);
    store_row<NV>(packed + static_cast<ptrdiff_t>(k) * NV * kWidth, kWidth, row);
  }
}

/** Adds one block of rows' product to the elements [first, first + count) × panel of dw. */
template <int NV, int Height>
void panel_block(const GradientProduct& call, int first, int count, int panel, int depth, const float* slivers,
                 const float* columns) {
  float* const dw = call.dw + call.panels.start(panel) + static_cast<ptrdiff_t>(first) * NV * kWidth;
  for (int i = 0; i < count; i += Height) {
    with_size<Height>(lesser(Height, count - i), [&](auto size) {
      const TileOperands operands{depth, slivers + static_cast<ptrdiff_t>(i) * depth, 1, plain_row, columns, nullptr};
      tile<decltype(size)::value, NV, true>(operands, Sums::added, dw + static_cast<ptrdiff_t>(i) * NV * kWidth, NV * kWidth,
                                            kWidth);
    });
  }
}

/** The gradients of the inputs [first, first + count); `work` has room for both packed operands. */
template <int Width>
void input_range(const GradientProduct& call, int first, int count, float* work) {
  constexpr int height = tile_rows(Width);
  float* const slivers = work + static_cast<size_t>(kGradientDepth) * kPanel * kWidth;
  for (int row = 0; row < call.rows; row += kGradientDepth) {
    const int depth = lesser(kGradientDepth, call.rows - row);
    pack_slivers(call.x + row * call.x_stride + first, call.x_stride, depth, count, height, slivers);
    for (int panel = 0; panel < call.panels.count(); panel++) {
      const float* const dy = call.dy + row * call.dy_stride + static_cast<ptrdiff_t>(panel) * call.dy_panel_stride;
      const int lanes = panel == call.panels.count() - 1 ? call.last_lanes : kWidth;
      with_size<Width>(call.panels.width_of(panel), [&](auto width) {
        constexpr int NV = decltype(width)::value;
        pack_panel<NV>(dy, call.dy_stride, depth, lanes, work);
        panel_block<NV, height>(call, first, count, panel, depth, slivers, work);
      });
    }
  }
}

}  // namespace

void gradient_product(const Context& context, const GradientProduct& call) {
  if (call.rows <= 0 || call.inputs <= 0 || call.panels.vectors <= 0) return;
  if (context.dots != nullptr) return gradient_product_bf16(context, call);
  const int unit = 2 * tile_rows(call.panels.width);
  const int units = (call.inputs + unit - 1) / unit;
  const int parts = lesser(context.pool.threads(), units);
  const size_t room = static_cast<size_t>(kGradientDepth) * (kPanel * kWidth + (units + parts - 1) / parts * unit);
  float* const work = context.scratch.floats(Scratch::packed, room * parts);
  run_parts(context.pool, parts, [&](int part) {
    const int first = part_start(call.inputs, part, parts, unit);
    const int count = part_start(call.inputs, part + 1, parts, unit) - first;
    float* const own = work + room * part;
    if (call.panels.width == 3)
      input_range<3>(call, first, count, own);
    else
      input_range<4>(call, first, count, own);
  });
}

void column_sums(Pool& pool, int rows, const float* dy, ptrdiff_t stride, int columns, float* sums) {
  constexpr int kBlock = 64;
  const int vectors = vectors_for(columns);
  const int lanes = lanes_of(columns);
  const int group = 8;
  run_parts(pool, (vectors + group - 1) / group, [&](int part) {
    const int first = part * group;
    const int count = lesser(group, vectors - first);
    Vec total[group];
    for (int j = 0; j < count; j++) total[j] = broadcast(0.0f);
    for (int row = 0; row < rows; row += kBlock) {
      Vec sum[group];
      for (int j = 0; j < count; j++) sum[j] = broadcast(0.0f);
      for (int k = row; k < lesser(rows, row + kBlock); k++) {
        const float* const p = dy + k * stride + first * kWidth;
        for (int j = 0; j < count; j++) {
          const bool whole = first + j < vectors - 1 || lanes == kWidth;
          sum[j] = add(sum[j], whole ? load(p + j * kWidth) : load_part(p + j * kWidth, lanes));
        }
      }
      for (int j = 0; j < count; j++) total[j] = add(total[j], sum[j]);
    }
    for (int j = 0; j < count; j++) store(sums + (first + j) * kWidth, total[j]);
  });
}

}  // namespace UNFOLD_SET
}  // namespace unfold
