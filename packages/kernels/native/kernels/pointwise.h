/** Kernels that go over rows or elements; see the Backend interface and `KernelTable`. */
#pragma once

#include "../simd/simd.h"
#include "calls.h"

namespace unfold {
namespace UNFOLD_SET {

void embedding_forward(const Context& context, const EmbeddingCall& call);
void embedding_backward(const Context& context, const EmbeddingCall& call);
LossResult softmax_cross_entropy(const Context& context, const LossCall& call);
void log_softmax(const Context& context, int rows, int V, const float* logits, float* output);
void dropout(const Context& context, const DropoutCall& call);
void sgd_step(const Context& context, const SgdCall& call);
void adam_step(const Context& context, const AdamCall& call);
double sum_of_squares(const Context& context, const float* x, size_t count);
double count_non_finite(const Context& context, const float* x, size_t count);
void clip(const Context& context, float* x, size_t count, float maximum);
void scale(const Context& context, float* x, size_t count, float factor);
void add_scaled(const Context& context, const float* source, float* target, size_t count, float factor);
double ceiling(const Context& context, int64_t repetitions);
double reading(const Context& context, size_t count, int passes);

}  // namespace UNFOLD_SET
}  // namespace unfold
