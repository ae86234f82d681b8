/**
 * Weights in panels: a matrix [K, columns] cut into strips of `width` vectors, each strip standing whole, its K rows one after another,
 * so that a product reads memory in one straight line. The last strip is as narrow as it can be; columns that only fill up its last
 * vector are zero.
 */
#pragma once

#include "tile.h"

namespace unfold {
namespace UNFOLD_SET {

struct Panels {
  /** Vectors of all columns, and of a whole panel. */
  int vectors;
  int width;
  /** K as it is laid out; a product may use fewer rows. */
  int depth;

  int count() const { return (vectors + width - 1) / width; }
  int width_of(int panel) const { return lesser(width, vectors - panel * width); }
  size_t start(int panel) const { return static_cast<size_t>(panel) * width * kWidth * depth; }
  size_t size() const { return static_cast<size_t>(vectors) * kWidth * depth; }
  /** Where element (k, column) stands. */
  size_t place(int k, int column) const {
    const int panel = column / (width * kWidth);
    return start(panel) + static_cast<size_t>(k) * width_of(panel) * kWidth + column % (width * kWidth);
  }
};

inline Panels dense_panels(int columns, int depth) { return {vectors_for(columns), kPanel, depth}; }

/**
 * How a recurrent layer's gates are interleaved, so that one tile holds all gates of its units. A block is the units of one vector (four
 * vectors for a cell of one gate). Gate columns, the row that a step keeps for a sequence, are blocks of `slots` vectors:
 *   lstm: i f g o;  gru: n r z q, with q = W_n h + b_hn;  elman: four vectors of units.
 * The input's product fills the first `gates` slots of a block, the recurrent one `gates` slots from `recurrent_slot` on.
 */
struct Gates {
  CellKind cell;
  int H;

  bool single() const { return cell == CellKind::elman; }
  /** Gate blocks of PyTorch's matrices: G. */
  int gates() const { return single() ? 1 : cell == CellKind::gru ? 3 : 4; }
  int slots() const { return single() ? 1 : 4; }
  int recurrent_slot() const { return cell == CellKind::gru ? 1 : 0; }
  /** The slot of a block in which PyTorch's gate g of the input's product stands. */
  int input_slot(int g) const { return cell == CellKind::gru ? (g + 1) % 3 : g; }
  /** Vectors of units; H rounded up to whole vectors. */
  int unit_vectors() const { return vectors_for(H); }
  int padded() const { return unit_vectors() * kWidth; }
  int columns() const { return unit_vectors() * slots() * kWidth; }
  /** Vectors of a panel of weights: all gates of one vector of units, or four vectors of units. */
  int panel_width() const { return single() ? kPanel : gates(); }
  /** Panels of input or recurrent weights with K rows. */
  Panels panels(int K) const { return {unit_vectors() * gates(), panel_width(), K}; }
  /** What stands between the panels of a row of gate columns. */
  int panel_stride() const { return (single() ? kPanel : slots()) * kWidth; }
  /** The column, in a row of panels, of unit u's gate g (PyTorch's row g H + u). `input`: of the input's weights. */
  int column(int g, int u, bool input) const {
    if (single()) return u;
    const int slot = input ? input_slot(g) : g;
    return (u / kWidth * gates() + slot) * kWidth + u % kWidth;
  }
  /** How the gates of a block that belong to the input's or the recurrent product lie in a row of gate columns. */
  Segments segments() const {
    return cell == CellKind::gru ? Segments{3 * kWidth, 4 * kWidth} : plain_row;
  }
  /** Where a row's segments begin. */
  int offset(bool input) const { return input ? 0 : recurrent_slot() * kWidth; }
};

/** target: the panels of the transposed matrix, [columns of `from`, its K]. */
void transpose_panels(Pool& pool, const Panels& from, const float* source, float* target);
inline Panels transposed(const Panels& from) { return dense_panels(from.depth, from.vectors * kWidth); }

/** Plain [outputs, inputs] to panels of K = inputs and back (adding). */
void pack_rows(Pool& pool, const float* plain, int outputs, int inputs, float* packed);
void add_from_panels(Pool& pool, const float* packed, int outputs, int inputs, float* plain);

}  // namespace UNFOLD_SET
}  // namespace unfold
