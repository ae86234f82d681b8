/** What all recurrent cells share around their time loops. */
#pragma once

#include "product.h"

namespace unfold {
namespace UNFOLD_SET {

/** Calls body(Size<width>) for a panel of one of Cell's kinds: always its whole width, but for cells whose panels are just units. */
template <class Cell, class Body>
UNFOLD_INLINE void with_panel(int width, const Body& body) {
  if constexpr (Cell::kRagged)
    with_size<Cell::kVectors>(width, body);
  else
    body(Size<Cell::kVectors>{});
}

/** Where a forward pass finds and leaves its states; slots of cells are [N, H padded]. */
struct ForwardMemory {
  float* first;
  float* output;
  /** null where h is the whole state. */
  float* cells;
  int cell_slots;

  /** c after `t` steps, from sequence `start` of N on; null where there is none. */
  float* cells_after(int t, int N, int start, ptrdiff_t padded) const {
    return cells == nullptr ? nullptr : cells + (static_cast<ptrdiff_t>(t % cell_slots) * N + start) * padded;
  }
};

/** Memory for a forward pass, saved or of our own, with h_0 and c_0 in it. */
ForwardMemory prepare_forward(const Context& context, const ForwardCall& call, const Gates& gates);
/** Hands out the final states. */
void finish_forward(const ForwardCall& call, const Gates& gates, const ForwardMemory& memory);
/** Both biases in one row of gate columns. */
const float* combined_bias(const Context& context, const RecurrentWeights& weights, const Gates& gates);
/** [3, H padded]; null where there are none. */
const float* padded_peephole(const Context& context, const RecurrentWeights& weights, const Gates& gates);
/** saved gates = bias + x U for all steps at once. */
void project_input(const Context& context, const ForwardCall& call, const Gates& gates, const float* bias);

/** Columns of the input's product, or of its gradient, for all steps: `block` vectors stand between one block of units and the next. */
struct InputColumns {
  float* at;
  ptrdiff_t stride;
  int block;
  Segments segments;
};

/** Those within the saved gates. */
inline InputColumns input_columns(const SavedCall& saved, const Gates& gates) {
  return {saved.gates + gates.offset(true), gates.columns(), gates.slots(), gates.segments()};
}

/** Gradients of the parameters and of the input, from the gates' gradients of all steps. */
void parameter_gradients(const Context& context, const BackwardCall& call, const Gates& gates);
void input_weight_gradient(const Context& context, const BackwardCall& call, const Gates& gates, const InputColumns& dy);
void bias_gradients(const Context& context, const BackwardCall& call, const Gates& gates);
void input_gradient(const Context& context, const BackwardCall& call, const Gates& gates, const InputColumns& dy);
void injected_gradient(const Context& context, const BackwardCall& call, const Gates& gates);
/** target [parts, H] += the sums of N sequences, [N, parts, H padded]. */
void add_sequence_sums(const float* sums, int N, int parts, const Gates& gates, float* target);

/** One vector of units of a plain row, of which the last may be a part. */
UNFOLD_INLINE void store_units(float* row, int vector, int H, Vec h) {
  const int left = H - vector * kWidth;
  if (left >= kWidth)
    store(row + vector * kWidth, h);
  else
    store_part(row + vector * kWidth, h, left);
}

UNFOLD_INLINE Vec load_units(const float* row, int vector, int H) {
  const int left = H - vector * kWidth;
  return left >= kWidth ? load(row + vector * kWidth) : load_part(row + vector * kWidth, left);
}

/** target ← source, or zeros where that is null. */
void copy_or_zero(const float* source, size_t count, float* target);

/** padded [N, H padded] ← plain [N,H], or zeros; and back. */
void pad_rows(const float* plain, int N, const Gates& gates, float* padded);
void unpad_rows(const float* padded, int N, const Gates& gates, float* plain);

void lstm_forward(const Context& context, const ForwardCall& call);
void lstm_backward(const Context& context, const BackwardCall& call);
void gru_forward(const Context& context, const ForwardCall& call);
void gru_backward(const Context& context, const BackwardCall& call);
void elman_forward(const Context& context, const ForwardCall& call);
void elman_backward(const Context& context, const BackwardCall& call);
/** Layers with normalised products, or with the reset before the product. */
void staged_forward(const Context& context, const ForwardCall& call);
void staged_backward(const Context& context, const BackwardCall& call);
size_t staged_size(const RecurrentSizes& sizes, const LayerOptions& options);
/** Elman layers without recurrence: all steps at once. */
void independent_forward(const Context& context, const ForwardCall& call);
void independent_backward(const Context& context, const BackwardCall& call);

}  // namespace UNFOLD_SET
}  // namespace unfold
