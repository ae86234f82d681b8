/**
 * Batches of sequences of unequal length. A step runs over all rows of a block but those at its end that have ended, so that in a batch
 * sorted by length nothing is computed in vain; what it left in other ended rows is then put right here.
 */
#pragma once

#include "recurrent.h"

namespace unfold {
namespace UNFOLD_SET {

/** Whether sequence n has no step t. */
inline bool has_ended(const int32_t* lengths, ptrdiff_t n, int t) { return lengths != nullptr && t >= lengths[n]; }

/** How many of the sequences start … start + rows − 1 a step t must run over. */
inline int living_rows(const int32_t* lengths, int start, int rows, int t) {
  while (rows > 0 && has_ended(lengths, start + rows - 1, t)) rows--;
  return rows;
}

/** Calls body(row) for each of the `rows` sequences from `start` on that have ended. */
template <class Body>
inline void for_ended_rows(const int32_t* lengths, int start, int rows, int t, const Body& body) {
  if (lengths == nullptr) return;
  for (int row = 0; row < rows; row++)
    if (has_ended(lengths, start + row, t)) body(static_cast<ptrdiff_t>(row));
}

}  // namespace UNFOLD_SET
}  // namespace unfold
