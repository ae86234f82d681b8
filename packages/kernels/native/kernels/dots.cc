/**
 * The tile of products in bfloat16. As in tile.h the sum of an element runs over k in rising order, wherever K and the rows are cut. Compiled
 * once more for processors with AVX512_BF16, in whose instruction alone that copy differs.
 */
#include "dots.h"

#include "../simd/bf16.h"
#include "tile.h"

namespace unfold {
namespace UNFOLD_SET {
namespace {

#if defined(UNFOLD_AVX512_BF16)
constexpr bool kInstruction = true;
#else
constexpr bool kInstruction = false;
#endif

/** Rows of a tile. Without the instruction, both halves of a row of b and of an element of a want registers too. */
constexpr int dot_rows(int vectors) {
  if (kInstruction) return vectors == 4 ? 6 : 8;
  return kRegisters >= 32 || vectors < 3 ? 4 : 2;
}

/** `ahead`: what to fetch meanwhile, a cache line per pair; null: nothing. Never inlined, as `tile` is not. */
template <int MR, int NV>
__attribute__((noinline)) void dot_tile(const DotCall& call, const uint32_t* a, float* c, const float* ahead) {
  Vec acc[MR][NV];
  UNFOLD_UNROLL
  for (int r = 0; r < MR; r++) {
    if (call.added) {
      UNFOLD_UNROLL
      for (int j = 0; j < NV; j++) acc[r][j] = broadcast(0.0f);
    } else {
      load_row<NV>(c + r * call.c_stride, call.last_lanes, acc[r]);
    }
  }
  const ptrdiff_t row = call.a_row;
  const ptrdiff_t step = call.a_pair;
  const uint32_t* b = call.b;
  for (int k = 0; k < call.depth; k++, a += step, b += NV * kWidth) {
    if (ahead != nullptr) prefetch(ahead + static_cast<ptrdiff_t>(k) * 16);
    Pairs x[MR];
    UNFOLD_UNROLL
    for (int r = 0; r < MR; r++) x[r] = broadcast_pair(a[r * row]);
    UNFOLD_UNROLL
    for (int j = 0; j < NV; j++) {
      const Pairs y = load_pairs(b + j * kWidth);
      UNFOLD_UNROLL
      for (int r = 0; r < MR; r++) acc[r][j] = dot_pairs(acc[r][j], x[r], y);
    }
  }
  UNFOLD_UNROLL
  for (int r = 0; r < MR; r++) {
    if (call.added) {
      Vec before[NV];
      load_row<NV>(c + r * call.c_stride, call.last_lanes, before);
      UNFOLD_UNROLL
      for (int j = 0; j < NV; j++) acc[r][j] = add(before[j], acc[r][j]);
    }
    store_row<NV>(c + r * call.c_stride, call.last_lanes, acc[r]);
  }
}

template <int NV>
void dot_panel(int rows, const DotCall& call) {
  constexpr int most = dot_rows(NV);
  // What a product reads next stands behind this part of b: the first tiles fetch a share of it each.
  const float* const next = reinterpret_cast<const float*>(call.b + static_cast<ptrdiff_t>(call.depth) * NV * kWidth);
  int row = 0;
  int index = 0;
  const auto tile_of = [&](auto size) {
    constexpr int MR = decltype(size)::value;
    const bool fetch = !call.added && index < NV * kWidth / 16;
    dot_tile<MR, NV>(call, call.a + row * call.a_row, call.c + row * call.c_stride,
                     fetch ? next + static_cast<ptrdiff_t>(index) * call.depth * 16 : nullptr);
    row += MR;
    index++;
  };
  while (row + most <= rows) tile_of(Size<most>{});
  if constexpr (most > 4)
    if (row + 4 <= rows) tile_of(Size<4>{});
  if constexpr (most > 2)
    if (row + 2 <= rows) tile_of(Size<2>{});
  if (row < rows) tile_of(Size<1>{});
}

}  // namespace

extern const DotTiles dots = {
    {dot_rows(1), dot_rows(2), dot_rows(3), dot_rows(4)},
    {dot_panel<1>, dot_panel<2>, dot_panel<3>, dot_panel<4>},
    kInstruction,
};

}  // namespace UNFOLD_SET
}  // namespace unfold
