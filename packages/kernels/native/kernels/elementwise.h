/** Long arrays in pieces that threads share. A piece's borders depend on the array's length alone. */
#pragma once

#include "tile.h"

namespace unfold {
namespace UNFOLD_SET {

constexpr size_t kPiece = 8192;

/** Calls body(piece, first element, count) for every piece. */
template <class Body>
inline void for_pieces(Pool& pool, size_t count, const Body& body) {
  const int pieces = static_cast<int>((count + kPiece - 1) / kPiece);
  run_parts(pool, pieces, [&](int piece) {
    const size_t first = static_cast<size_t>(piece) * kPiece;
    body(piece, first, lesser(kPiece, count - first));
  });
}

}  // namespace UNFOLD_SET
}  // namespace unfold
