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

/**
 * Cuts `rows` into tiles and calls body(Size<MR>, first row): as many of the full height as fit, then of 4, 2 and 1 rows. A single row
 * has too few sums to keep the processor busy, so it is not left alone where the tile before it can be halved for it.
 */
template <int NV, class Body>
UNFOLD_INLINE void for_tiles(int rows, const Body& body) {
  constexpr int most = tile_rows(NV);
  int row = 0;
  const bool lonely = most == 3 && rows % most == 1 && rows > most;
  for (; row + most <= rows - (lonely ? most : 0); row += most) body(Size<most>{}, row);
  if constexpr (most > 4) {
    if (row + 4 <= rows) {
      body(Size<4>{}, row);
      row += 4;
    }
  }
  for (; row + 2 <= rows; row += 2) body(Size<2>{}, row);
  if (row < rows) body(Size<1>{}, row);
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

/** What a tile's sums begin with, and where they go. */
enum class Sums {
  /** From c, and back into it: a sum that goes on. */
  continued,
  /** From zero into c. */
  fresh,
  /** From zero, then added to c. */
  added,
};

/** One operand pair of a tile: a [MR, depth] and b [depth, NV vectors], whose rows stand one after another. */
struct TileOperands {
  int depth;
  const float* a;
  ptrdiff_t a_stride;
  Segments a_segments;
  const float* b;
  /** What will be read after b, and how many of its cache lines to fetch per 16 k; null: nothing is fetched ahead. */
  const float* ahead;
  int ahead_lines;
};

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

/** Fetches `vectors` vectors. */
UNFOLD_INLINE void prefetch_row(const float* p, int vectors) {
  for (int i = 0; i < vectors * kWidth; i += 16) prefetch(p + i);
}

/** c[r][j] += a[r] · row j of b, for one k; a's rows are `stride` apart. */
template <int MR, int NV>
UNFOLD_INLINE void multiply_add(const float* a, ptrdiff_t stride, const float* b, Vec (&c)[MR][NV]) {
  if constexpr (kRegisters >= 32 || NV < 4) {
    Vec row[NV];
    UNFOLD_UNROLL
    for (int j = 0; j < NV; j++) row[j] = load(b + j * kWidth);
    UNFOLD_UNROLL
    for (int r = 0; r < MR; r++) {
      const Vec x = broadcast(a[r * stride]);
      UNFOLD_UNROLL
      for (int j = 0; j < NV; j++) c[r][j] = fma(x, row[j], c[r][j]);
    }
  } else {
    // Sixteen registers: twelve sums, three elements of a, and one vector of b at a time.
    Vec x[MR];
    UNFOLD_UNROLL
    for (int r = 0; r < MR; r++) x[r] = broadcast(a[r * stride]);
    UNFOLD_UNROLL
    for (int j = 0; j < NV; j++) {
      const Vec y = load(b + j * kWidth);
      UNFOLD_UNROLL
      for (int r = 0; r < MR; r++) c[r][j] = fma(x[r], y, c[r][j]);
    }
  }
}

/**
 * c += a · b, see `Sums`; c's rows are `c_stride` apart and its last vector has room for `last_lanes`. With `Packed`, a is a sliver: its
 * MR elements of one k are neighbours.
 *
 * Never inlined: beside other code the compiler would not keep all sums in registers, which costs half of the speed.
 */
template <int MR, int NV, bool Packed>
__attribute__((noinline)) void tile(const TileOperands& operands, Sums sums, float* c, ptrdiff_t c_stride, int last_lanes) {
  Vec acc[MR][NV];
  UNFOLD_UNROLL
  for (int r = 0; r < MR; r++) {
    if (sums == Sums::continued) {
      load_row<NV>(c + r * c_stride, last_lanes, acc[r]);
    } else {
      if (sums == Sums::added) prefetch_row(c + r * c_stride, NV);
      UNFOLD_UNROLL
      for (int j = 0; j < NV; j++) acc[r][j] = broadcast(0.0f);
    }
  }
  const ptrdiff_t stride = Packed ? 1 : operands.a_stride;
  constexpr int step = Packed ? MR : 1;
  const float* a = operands.a;
  const float* b = operands.b;
  const float* ahead = operands.ahead;
  const Segments segments = operands.a_segments;
  int left = operands.depth;
  while (left > 0) {
    int segment = segments.contiguous() ? left : lesser(left, segments.length);
    left -= segment;
    // Cache lines of sixteen k: what the next tile will read of a, and a share of what will be read after b, is fetched meanwhile.
    for (; segment > 0; segment -= 16) {
      if constexpr (!Packed) {
        UNFOLD_UNROLL
        for (int r = 0; r < MR; r++) prefetch(a + (MR + r) * stride);
      }
      if (ahead != nullptr) {
        for (int line = 0; line < operands.ahead_lines; line++, ahead += 16) prefetch(ahead);
      }
      for (int k = lesser(segment, 16); k > 0; k--, a += step, b += NV * kWidth) multiply_add<MR, NV>(a, stride, b, acc);
    }
    a += segments.stride - segments.length;
  }
  UNFOLD_UNROLL
  for (int r = 0; r < MR; r++) {
    if (sums == Sums::added) {
      Vec before[NV];
      load_row<NV>(c + r * c_stride, last_lanes, before);
      UNFOLD_UNROLL
      for (int j = 0; j < NV; j++) acc[r][j] = add(before[j], acc[r][j]);
    }
    store_row<NV>(c + r * c_stride, last_lanes, acc[r]);
  }
}

/** How far ahead of a single row's product its weights are fetched: of the distances tried, the one that reads each cache fastest. */
constexpr int kRowAhead = 512;

/**
 * A tile of one row, whose time is that of reading b: b is fetched ahead, also beyond its end, where most often the next panel stands. The
 * sums are those of any other tile.
 */
template <int NV>
__attribute__((noinline)) void row_tile(const TileOperands& operands, Sums sums, float* c, int last_lanes) {
  Vec acc[1][NV];
  if (sums == Sums::continued) {
    load_row<NV>(c, last_lanes, acc[0]);
  } else {
    UNFOLD_UNROLL
    for (int j = 0; j < NV; j++) acc[0][j] = broadcast(0.0f);
  }
  const float* b = operands.b;
  for (int k = 0; k < operands.depth; k++, b += NV * kWidth) {
    UNFOLD_UNROLL
    for (int line = 0; line < NV * kWidth; line += 16) prefetch(b + kRowAhead + line);
    multiply_add<1, NV>(operands.a + k, 0, b, acc);
  }
  if (sums == Sums::added) {
    Vec before[NV];
    load_row<NV>(c, last_lanes, before);
    UNFOLD_UNROLL
    for (int j = 0; j < NV; j++) acc[0][j] = add(before[j], acc[0][j]);
  }
  store_row<NV>(c, last_lanes, acc[0]);
}

/**
 * Tiles for all `rows` of one panel's piece; `next` is the memory that will be read after b, null if that is unknown. Every tile fetches its
 * share of it: all at once would be more than a processor asks for at a time. `before` is called with each tile's first row and number of
 * rows, to fetch whatever else these will need.
 */
template <int NV, class Before>
UNFOLD_INLINE void tiles(int rows, TileOperands operands, const float* next, Sums sums, float* c, ptrdiff_t c_stride,
                         int last_lanes, const Before& before) {
  if (rows == 1 && operands.a_segments.contiguous()) return row_tile<NV>(operands, sums, c, last_lanes);
  const float* const a = operands.a;
  const int count = (rows + tile_rows(NV) - 1) / tile_rows(NV);
  // Sixteen k of all tiles together fetch as much as sixteen k of a panel hold: NV kWidth lines.
  operands.ahead_lines = (NV * kWidth + count - 1) / count;
  const ptrdiff_t share = static_cast<ptrdiff_t>(operands.ahead_lines) * operands.depth;
  const ptrdiff_t whole = static_cast<ptrdiff_t>(NV) * kWidth * operands.depth;
  int index = 0;
  for_tiles<NV>(rows, [&](auto size, int row) {
    operands.a = a + row * operands.a_stride;
    operands.ahead = next == nullptr || index * share >= whole ? nullptr : next + index * share;
    index++;
    before(row, decltype(size)::value);
    tile<decltype(size)::value, NV, false>(operands, sums, c + row * c_stride, c_stride, last_lanes);
  });
}

template <int NV>
void tiles(int rows, const TileOperands& operands, const float* next, Sums sums, float* c, ptrdiff_t c_stride, int last_lanes) {
  tiles<NV>(rows, operands, next, sums, c, c_stride, last_lanes, [](int, int) {});
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
