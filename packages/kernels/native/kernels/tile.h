/**
 * The heart of every product: a tile of MR rows by NV vectors, held in registers while K runs.
 *
 * The sum of an element runs over k in rising order, whatever tile its row falls into and wherever K is cut: stopping stores the
 * partial sum and going on loads it, which changes no bit. So a row's bits depend on that row alone.
 */
#pragma once

#include "../simd/simd.h"
#include "calls.h"
#include "../pool.h"

#define UNFOLD_INLINE inline __attribute__((always_inline))
#define UNFOLD_UNROLL _Pragma("GCC unroll 8")

namespace unfold {
namespace UNFOLD_SET {

/** Most vectors in a panel. */
constexpr int kPanel = 4;

/** Rows of a tile of `vectors` vectors: as many as leave registers for a row of b and one element of a. */
constexpr int tile_rows(int vectors) {
  return kRegisters >= 32 ? (vectors == 4 ? 6 : 8)
                          : (vectors == 4 ? 3 : vectors == 3 ? 4 : vectors == 2 ? 6 : 8);
}

/** Rows worked on together: their part of `a` stays in the second cache while panels pass by. */
constexpr int kRowBlock = 96;

/** Sizes known only to the compiler's eye: MR and NV as types. */
template <int N>
struct Size {
  static constexpr int value = N;
};

/** Calls body(Size<n>) for n = 1 … Most. */
template <int Most, class Body>
UNFOLD_INLINE void with_size(int n, const Body& body) {
  if constexpr (Most > 1) {
    if (n < Most) {
      with_size<Most - 1>(n, body);
      return;
    }
  }
  body(Size<Most>{});
}

/** Cuts `rows` into tiles and calls body(Size<MR>, first row): as many of the full height as fit, then of 4, 2 and 1 rows. */
template <int NV, class Body>
UNFOLD_INLINE void for_tiles(int rows, const Body& body) {
  constexpr int most = tile_rows(NV);
  int row = 0;
  for (; row + most <= rows; row += most) body(Size<most>{}, row);
  if constexpr (most > 4) {
    if (row + 4 <= rows) {
      body(Size<4>{}, row);
      row += 4;
    }
  }
  // Up to three are left where a tile has four rows.
  if (row + 2 <= rows) {
    body(Size<2>{}, row);
    row += 2;
  }
  if (row < rows) body(Size<1>{}, row);
}

/**
 * c[r][j] += Σ a[r, k] b[k, j] over `depth` values of k. Element (r, k) of a is a[r · row_stride + k · step]; b's rows of NV vectors stand
 * one after another. `ahead` is memory that will be needed next, a cache line per k; null: none.
 */
template <int MR, int NV>
UNFOLD_INLINE void accumulate(int depth, const float* a, ptrdiff_t row_stride, ptrdiff_t step, const float* b,
                              Vec (&c)[MR][NV], const float* ahead) {
  for (int k = 0; k < depth; k++) {
    if constexpr (kRegisters >= 32 || NV < 4) {
      Vec row[NV];
      UNFOLD_UNROLL
      for (int j = 0; j < NV; j++) row[j] = load(b + j * kWidth);
      UNFOLD_UNROLL
      for (int r = 0; r < MR; r++) {
        const Vec x = broadcast(a[r * row_stride]);
        UNFOLD_UNROLL
        for (int j = 0; j < NV; j++) c[r][j] = fma(x, row[j], c[r][j]);
      }
    } else {
      // Sixteen registers: twelve sums, three elements of a, and one vector of b at a time.
      Vec x[MR];
      UNFOLD_UNROLL
      for (int r = 0; r < MR; r++) x[r] = broadcast(a[r * row_stride]);
      UNFOLD_UNROLL
      for (int j = 0; j < NV; j++) {
        const Vec y = load(b + j * kWidth);
        UNFOLD_UNROLL
        for (int r = 0; r < MR; r++) c[r][j] = fma(x[r], y, c[r][j]);
      }
    }
    a += step;
    b += NV * kWidth;
    if (ahead != nullptr) {
      prefetch(ahead);
      ahead += 16;
    }
  }
}

/**
 * How the rows of `a` lie in memory: element k of a row stands at (k / length) · stride + k mod length. A plain row is one segment. The
 * saved gates of a GRU are read three vectors out of four.
 */
struct Segments {
  int length;
  int stride;

  bool contiguous() const { return length == stride; }
  ptrdiff_t place(int k) const {
    return contiguous() ? k : static_cast<ptrdiff_t>(k / length) * stride + k % length;
  }
  /** A piece of K near `wanted` that ends where a segment does. */
  int piece(int wanted) const {
    if (contiguous()) return wanted;
    return wanted < length ? length : wanted / length * length;
  }
};

constexpr Segments plain_row{1, 1};

/** accumulate over segments, starting at the beginning of one. */
template <int MR, int NV>
UNFOLD_INLINE void accumulate_segments(int depth, const float* a, ptrdiff_t row_stride, Segments segments, const float* b,
                                       Vec (&c)[MR][NV], const float* ahead) {
  if (segments.contiguous()) {
    accumulate<MR, NV>(depth, a, row_stride, 1, b, c, ahead);
    return;
  }
  for (int k = 0; k < depth; k += segments.length) {
    const int length = lesser(segments.length, depth - k);
    accumulate<MR, NV>(length, a, row_stride, 1, b, c, ahead);
    a += segments.stride;
    b += static_cast<ptrdiff_t>(length) * NV * kWidth;
    if (ahead != nullptr) ahead += length * 16;
  }
}

template <int NV>
UNFOLD_INLINE void load_row(const float* p, int last_lanes, Vec (&row)[NV]) {
  UNFOLD_UNROLL
  for (int j = 0; j < NV - 1; j++) row[j] = load(p + j * kWidth);
  row[NV - 1] = last_lanes == kWidth ? load(p + (NV - 1) * kWidth) : load_part(p + (NV - 1) * kWidth, last_lanes);
}

template <int NV>
UNFOLD_INLINE void store_row(float* p, int last_lanes, const Vec (&row)[NV]) {
  UNFOLD_UNROLL
  for (int j = 0; j < NV - 1; j++) store(p + j * kWidth, row[j]);
  if (last_lanes == kWidth)
    store(p + (NV - 1) * kWidth, row[NV - 1]);
  else
    store_part(p + (NV - 1) * kWidth, row[NV - 1], last_lanes);
}

/** Pool::run for a lambda. */
template <class Body>
inline void run_parts(Pool& pool, int parts, const Body& body) {
  pool.run(
      parts, [](void* context, int part) { (*static_cast<const Body*>(context))(part); },
      const_cast<void*>(static_cast<const void*>(&body)));
}

/** The first of `count` things that belong to `part` of `parts`, cut at multiples of `unit`. */
inline int part_start(int count, int part, int parts, int unit) {
  const int units = (count + unit - 1) / unit;
  return lesser(count, static_cast<int>(static_cast<int64_t>(units) * part / parts) * unit);
}

inline int vectors_for(int columns) { return (columns + kWidth - 1) / kWidth; }

}  // namespace UNFOLD_SET
}  // namespace unfold
