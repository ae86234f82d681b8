/** The products of product.h with both operands rounded to bfloat16; sums stay in float32. Called by those where the context has `dots`, for sizes above 0. */
#pragma once

#include "pairs.h"
#include "product.h"

namespace unfold {
namespace UNFOLD_SET {

void product_bf16(const Context& context, const Product& call);
void gradient_product_bf16(const Context& context, const GradientProduct& call);

}  // namespace UNFOLD_SET
}  // namespace unfold
