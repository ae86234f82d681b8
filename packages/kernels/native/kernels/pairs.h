/** Operands of products in bfloat16: rounded to it, and two neighbours along k in one word. */
#pragma once

#include "dots.h"
#include "panels.h"

namespace unfold {
namespace UNFOLD_SET {

/** Pairs along K, of which the last may lack its odd half, which is zero then. */
inline int pairs_for(int K) { return (K + 1) / 2; }
/** Words from row to row of operands with adjacent k: whole vectors of elements. */
inline int pair_stride(int K) { return vectors_for(K) * kWidth / 2; }

/** Rows with adjacent k: K elements of `a` from `first` on (a multiple of the vectors' width) → [rows, pair_stride(K)]. */
void pack_pairs(int rows, const float* a, ptrdiff_t stride, Segments segments, int first, int K, uint32_t* packed);

/** Panels of K rows → panels of pairs_for(K) rows. */
inline Panels paired(const Panels& from) { return {from.vectors, from.width, pairs_for(from.depth)}; }
void pair_panels(Pool& pool, const Panels& from, const float* source, uint32_t* target);

/** c += a · b for all pairs of K and one panel of `vectors`; K is cut so that a piece of the panel stays in a cache. */
void dot_product(const DotTiles& dots, int vectors, int rows, DotCall call);

}  // namespace UNFOLD_SET
}  // namespace unfold
