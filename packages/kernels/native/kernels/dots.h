/** Products of panels in bfloat16, as a table of functions: the one place where processors with a dot product of their own differ. */
#pragma once

#include <cstddef>
#include <cstdint>

namespace unfold {

/** c += a · b for some rows of one panel; `depth` pairs of k. */
struct DotCall {
  int depth;
  /** Pair p of row r stands at a[r · a_row + p · a_pair]. */
  const uint32_t* a;
  ptrdiff_t a_row;
  ptrdiff_t a_pair;
  /** [depth, the panel's vectors]. */
  const uint32_t* b;
  float* c;
  ptrdiff_t c_stride;
  /** Lanes of c's last vector. */
  int last_lanes;
  /** Sums begin at zero and are added to c at their end, instead of going on from c. */
  bool added;
};

struct DotTiles {
  /** Rows that a panel of 1 … 4 vectors takes at once. */
  int rows[4];
  /** By the panel's vectors, from 1. */
  void (*panel[4])(int rows, const DotCall&);
  /** Whether the processor's own dot product is used; else it is put together from multiply-adds, slower than products in float32. */
  bool instruction;
};

}  // namespace unfold
