// Products of plain matrices and of dense layers.
#include "dense.h"

#include "product.h"

namespace unfold {
namespace UNFOLD_SET {
namespace {

/** plain [rows, columns] → [columns, rows]. */
void transpose_plain(Pool& pool, const float* plain, int rows, int columns, float* target) {
  constexpr int kBlock = 16;
  run_parts(pool, (columns + kBlock - 1) / kBlock, [&](int part) {
    const int end = lesser(columns, (part + 1) * kBlock);
    for (int row = 0; row < rows; row++)
      for (int column = part * kBlock; column < end; column++)
        target[static_cast<size_t>(column) * rows + row] = plain[static_cast<size_t>(row) * columns + column];
  });
}

/** plain [K, columns] → panels. */
void pack_columns(Pool& pool, const float* plain, int K, int columns, float* packed) {
  const Panels panels = dense_panels(columns, K);
  run_parts(pool, panels.count(), [&](int panel) {
    const int width = panels.width_of(panel) * kWidth;
    const int first = panel * kPanel * kWidth;
    float* to = packed + panels.start(panel);
    for (int k = 0; k < K; k++, to += width) {
      const float* const row = plain + static_cast<size_t>(k) * columns + first;
      for (int lane = 0; lane < width; lane++) to[lane] = first + lane < columns ? row[lane] : 0.0f;
    }
  });
}

/** The layer's weight as panels: its own, or made from a plain one. */
const float* weight_panels(const Context& context, const DenseCall& call, const Panels& panels) {
  if (!call.plain_weight) return call.weight;
  float* const packed = context.scratch.floats(Scratch::weights, panels.size());
  pack_rows(context.pool, call.weight, call.outputs, call.inputs, packed);
  return packed;
}

void weight_gradient(const Context& context, const DenseCall& call, const Panels& panels) {
  float* gradient = call.d_weight;
  if (call.plain_weight) {
    gradient = context.scratch.floats(Scratch::weights, panels.size());
    for (size_t i = 0; i < panels.size(); i++) gradient[i] = 0.0f;
  }
  gradient_product(context, {call.rows, call.inputs, call.input, call.inputs, call.d_output, call.outputs,
                             kPanel * kWidth, lanes_of(call.outputs), gradient, panels});
  if (call.plain_weight) add_from_panels(context.pool, gradient, call.outputs, call.inputs, call.d_weight);
}

void input_gradient(const Context& context, const DenseCall& call, const Panels& panels) {
  const Panels turned = transposed(panels);
  float* const weights = context.scratch.floats(Scratch::transposed, turned.size());
  transpose_panels(context.pool, panels, weight_panels(context, call, panels), weights);
  // Only as much of K as there are outputs: the rest of the panels' rows stands for padding.
  product(context, {call.rows, call.outputs, call.d_output, call.outputs, plain_row, weights, turned, nullptr,
                         call.d_input, call.inputs, kPanel * kWidth, lanes_of(call.inputs), false});
}

}  // namespace

void matmul(const Context& context, const ProductCall& call) {
  const Panels panels = dense_panels(call.P, call.K);
  float* const b = context.scratch.floats(Scratch::weights, panels.size());
  if (call.transpose_b)
    pack_rows(context.pool, call.b, call.P, call.K, b);
  else
    pack_columns(context.pool, call.b, call.K, call.P, b);
  const float* a = call.a;
  if (call.transpose_a) {
    float* const turned = context.scratch.floats(Scratch::transposed, static_cast<size_t>(call.M) * call.K);
    transpose_plain(context.pool, call.a, call.K, call.M, turned);
    a = turned;
  }
  if (call.accumulate && call.bias != nullptr)
    for (int row = 0; row < call.M; row++)
      for (int p = 0; p < call.P; p++) call.output[static_cast<size_t>(row) * call.P + p] += call.bias[p];
  product(context, {call.M, call.K, a, call.K, plain_row, b, panels, call.bias, call.output, call.P,
                         kPanel * kWidth, lanes_of(call.P), call.accumulate});
}

void dense_forward(const Context& context, const DenseCall& call) {
  const Panels panels = dense_panels(call.outputs, call.inputs);
  product(context, {call.rows, call.inputs, call.input, call.inputs, plain_row, weight_panels(context, call, panels),
                         panels, call.bias, call.output, call.outputs, kPanel * kWidth, lanes_of(call.outputs), false});
}

void dense_backward(const Context& context, const DenseCall& call) {
  const Panels panels = dense_panels(call.outputs, call.inputs);
  if (call.d_weight != nullptr) weight_gradient(context, call, panels);
  if (call.d_bias != nullptr) {
    float* const sums = context.scratch.floats(Scratch::sums, static_cast<size_t>(panels.vectors) * kWidth);
    column_sums(context.pool, call.rows, call.d_output, call.outputs, call.outputs, sums);
    for (int i = 0; i < call.outputs; i++) call.d_bias[i] += sums[i];
  }
  if (call.d_input != nullptr) input_gradient(context, call, panels);
}

}  // namespace UNFOLD_SET
}  // namespace unfold
