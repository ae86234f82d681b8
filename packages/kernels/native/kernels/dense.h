/** Kernels on plain and dense operands; see the Backend interface. */
#pragma once

#include "../simd/simd.h"
#include "calls.h"

namespace unfold {
namespace UNFOLD_SET {

void matmul(const Context& context, const ProductCall& call);
void dense_forward(const Context& context, const DenseCall& call);
void dense_backward(const Context& context, const DenseCall& call);

}  // namespace UNFOLD_SET
}  // namespace unfold
