// This instruction set's kernels, for run-time dispatch.
#include "dense.h"
#include "dots.h"
#include "layout.h"
#include "pointwise.h"
#include "recurrent.h"

namespace unfold {
namespace UNFOLD_SET {
namespace {

size_t gate_columns(CellKind cell, int H) { return static_cast<size_t>(Gates{cell, H}.columns()); }
size_t cell_columns(CellKind cell, int H) {
  return cell == CellKind::lstm ? static_cast<size_t>(Gates{cell, H}.padded()) : 0;
}

void recurrent_forward(const Context& context, const ForwardCall& call) {
  if (call.options.staged()) return staged_forward(context, call);
  switch (call.sizes.cell) {
    case CellKind::lstm:
      return lstm_forward(context, call);
    case CellKind::gru:
      return gru_forward(context, call);
    case CellKind::elman:
      return elman_forward(context, call);
  }
}

void recurrent_backward(const Context& context, const BackwardCall& call) {
  if (call.options.staged()) return staged_backward(context, call);
  switch (call.sizes.cell) {
    case CellKind::lstm:
      return lstm_backward(context, call);
    case CellKind::gru:
      return gru_backward(context, call);
    case CellKind::elman:
      return elman_backward(context, call);
  }
}

}  // namespace
}  // namespace UNFOLD_SET

#define UNFOLD_TEXT(x) UNFOLD_TEXT_OF(x)
#define UNFOLD_TEXT_OF(x) #x
#define UNFOLD_JOIN(a, b) UNFOLD_JOIN_OF(a, b)
#define UNFOLD_JOIN_OF(a, b) a##b

extern const KernelTable UNFOLD_JOIN(UNFOLD_SET, _kernels) = {
    UNFOLD_TEXT(UNFOLD_SET),
    &UNFOLD_SET::dots,
    UNFOLD_SET::packed_size,
    UNFOLD_SET::pack,
    UNFOLD_SET::unpack,
    UNFOLD_SET::gate_columns,
    UNFOLD_SET::cell_columns,
    UNFOLD_SET::staged_size,
    UNFOLD_SET::matmul,
    UNFOLD_SET::dense_forward,
    UNFOLD_SET::dense_backward,
    UNFOLD_SET::embedding_forward,
    UNFOLD_SET::embedding_backward,
    UNFOLD_SET::recurrent_forward,
    UNFOLD_SET::recurrent_backward,
    UNFOLD_SET::softmax_cross_entropy,
    UNFOLD_SET::log_softmax,
    UNFOLD_SET::dropout,
    UNFOLD_SET::sgd_step,
    UNFOLD_SET::adam_step,
    UNFOLD_SET::sum_of_squares,
    UNFOLD_SET::count_non_finite,
    UNFOLD_SET::clip,
    UNFOLD_SET::scale,
    UNFOLD_SET::add_scaled,
    UNFOLD_SET::ceiling,
    UNFOLD_SET::reading,
};

}  // namespace unfold
