#include "product_bf16.h"

namespace unfold {
namespace UNFOLD_SET {
namespace {

/** Rows that are multiplied together before their sum is added to the gradient: a panel's part of this height stays in the first cache. */
constexpr int kGradientDepth = 128;
/** Panels packed at a time, so that long stretches of dy's rows are read. */
constexpr int kGroup = 8;

/** x [depth rows, count columns] as slivers of `Height` columns, [depth, Height] each; the last is as narrow as it must be. */
template <int Height>
void pack_slivers(const float* x, ptrdiff_t stride, int depth, int count, float* packed) {
  // A few rows at a time: both what is read and what is written then stays in few cache lines.
  constexpr int kRows = 8;
  for (int start = 0; start < depth; start += kRows) {
    const int end = lesser(depth, start + kRows);
    for (int i = 0; i < count; i += Height) {
      const int narrow = lesser(Height, count - i);
      float* to = packed + static_cast<ptrdiff_t>(i) * depth + start * narrow;
      if (narrow == Height) {
        for (int k = start; k < end; k++, to += Height) {
          UNFOLD_UNROLL
          for (int r = 0; r < Height; r++) to[r] = x[k * stride + i + r];
        }
      } else {
        for (int k = start; k < end; k++)
          for (int r = 0; r < narrow; r++) *to++ = x[k * stride + i + r];
      }
    }
  }
}

/** The part of a gradient that one thread computes: inputs × panels. */
struct Region {
  int first_input, inputs;
  int first_panel, panels;
};

int lanes_of_panel(const GradientProduct& call, int panel) {
  return panel == call.panels.count() - 1 ? call.last_lanes : kWidth;
}

/** Packs `depth` rows of `count` panels of dy, each panel's [depth, width] standing whole. */
template <int Width>
void pack_panels(const GradientProduct& call, const float* dy, int first, int count, int depth, float* packed) {
  for (int k = 0; k < depth; k++) {
    for (int i = 0; i < count; i++) {
      const int panel = first + i;
      const float* const from = dy + k * call.dy_stride + static_cast<ptrdiff_t>(panel) * call.dy_panel_stride;
      float* const to = packed + static_cast<ptrdiff_t>(i) * depth * Width * kWidth;
      with_size<Width>(call.panels.width_of(panel), [&](auto width) {
        constexpr int NV = decltype(width)::value;
        Vec row[NV];
        load_row<NV>(from, lanes_of_panel(call, panel), row);
        store_row<NV>(to + static_cast<ptrdiff_t>(k) * NV * kWidth, kWidth, row);
      });
    }
  }
}

/** Adds one block of rows' product to the region's elements of one panel of dw. */
template <int NV, int Height>
void panel_block(const GradientProduct& call, const Region& region, int panel, int depth, const float* slivers,
                 const float* columns) {
  float* const dw = call.dw + call.panels.start(panel) + static_cast<ptrdiff_t>(region.first_input) * NV * kWidth;
  for (int i = 0; i < region.inputs; i += Height) {
    with_size<Height>(lesser(Height, region.inputs - i), [&](auto size) {
      const TileOperands operands{depth, slivers + static_cast<ptrdiff_t>(i) * depth, 1, plain_row, columns, nullptr, 0};
      tile<decltype(size)::value, NV, true>(operands, Sums::added, dw + static_cast<ptrdiff_t>(i) * NV * kWidth, NV * kWidth,
                                            kWidth);
    });
  }
}

/** `work` has room for both packed operands: kGroup panels, and the region's inputs. */
template <int Width>
void multiply_region(const GradientProduct& call, const Region& region, float* work) {
  constexpr int height = tile_rows(Width);
  float* const slivers = work + static_cast<size_t>(kGradientDepth) * kGroup * kPanel * kWidth;
  const int last_panel = region.first_panel + region.panels;
  for (int row = 0; row < call.rows; row += kGradientDepth) {
    const int depth = lesser(kGradientDepth, call.rows - row);
    pack_slivers<height>(call.x + row * call.x_stride + region.first_input, call.x_stride, depth, region.inputs, slivers);
    for (int group = region.first_panel; group < last_panel; group += kGroup) {
      const int count = lesser(kGroup, last_panel - group);
      pack_panels<Width>(call, call.dy + row * call.dy_stride, group, count, depth, work);
      for (int i = 0; i < count; i++)
        with_size<Width>(call.panels.width_of(group + i), [&](auto width) {
          panel_block<decltype(width)::value, height>(call, region, group + i, depth, slivers,
                                                      work + static_cast<ptrdiff_t>(i) * depth * Width * kWidth);
        });
    }
  }
}

}  // namespace

void gradient_product(const Context& context, const GradientProduct& call) {
  if (call.rows <= 0 || call.inputs <= 0 || call.panels.vectors <= 0) return;
  if (context.dots != nullptr) return gradient_product_bf16(context, call);
  // Threads split the columns, or the inputs where there are too few columns for equal shares.
  const int threads = context.pool.threads();
  const int panels = call.panels.count();
  const bool by_columns = panels % threads == 0 || panels >= 8 * threads;
  const int unit = tile_rows(call.panels.width);
  const int parts = by_columns ? threads : lesser(threads, (call.inputs + unit - 1) / unit);
  const size_t room = static_cast<size_t>(kGradientDepth) * (kGroup * kPanel * kWidth + (call.inputs + 15) / 16 * 16);
  float* const work = context.scratch.floats(Scratch::packed, room * parts);
  run_parts(context.pool, parts, [&](int part) {
    Region region{0, call.inputs, 0, panels};
    if (by_columns) {
      region.first_panel = part_start(panels, part, parts, 1);
      region.panels = part_start(panels, part + 1, parts, 1) - region.first_panel;
    } else {
      region.first_input = part_start(call.inputs, part, parts, unit);
      region.inputs = part_start(call.inputs, part + 1, parts, unit) - region.first_input;
    }
    float* const own = work + room * part;
    if (call.panels.width == 3)
      multiply_region<3>(call, region, own);
    else
      multiply_region<4>(call, region, own);
  });
}

void column_sums(Pool& pool, int rows, const float* dy, ptrdiff_t stride, int columns, float* sums) {
  constexpr int kBlock = 64;
  constexpr int kMost = 32;
  if (columns <= 0) return;
  const int vectors = vectors_for(columns);
  const int lanes = lanes_of(columns);
  // A part reads a long stretch of every row.
  const int group = lesser(kMost, (vectors + pool.threads() - 1) / pool.threads());
  run_parts(pool, (vectors + group - 1) / group, [&](int part) {
    const int first = part * group;
    const int count = lesser(group, vectors - first);
    const int whole = first + count == vectors && lanes < kWidth ? count - 1 : count;
    Vec total[kMost];
    for (int j = 0; j < count; j++) total[j] = broadcast(0.0f);
    for (int row = 0; row < rows; row += kBlock) {
      Vec sum[kMost];
      for (int j = 0; j < count; j++) sum[j] = broadcast(0.0f);
      for (int k = row; k < lesser(rows, row + kBlock); k++) {
        const float* const p = dy + k * stride + first * kWidth;
        for (int j = 0; j < whole; j++) sum[j] = add(sum[j], load(p + j * kWidth));
        if (whole < count) sum[whole] = add(sum[whole], load_part(p + whole * kWidth, lanes));
      }
      for (int j = 0; j < count; j++) total[j] = add(total[j], sum[j]);
    }
    for (int j = 0; j < count; j++) store(sums + (first + j) * kWidth, total[j]);
  });
}

}  // namespace UNFOLD_SET
}  // namespace unfold
