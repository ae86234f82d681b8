// Optimizer steps as PyTorch's; a parameter, its gradient and its moments have one layout, and padding stays zero.
#include "elementwise.h"
#include "pointwise.h"

namespace unfold {
namespace UNFOLD_SET {

void sgd_step(const Context& context, const SgdCall& call) {
  for_pieces(context.pool, call.count, [&](int, size_t first, size_t size) {
    float* __restrict const p = call.parameter + first;
    const float* __restrict const g = call.gradient + first;
    const float decay = call.weight_decay;
    const float rate = call.learning_rate;
    if (call.velocity == nullptr) {
      for (size_t i = 0; i < size; i++) p[i] -= rate * (g[i] + decay * p[i]);
      return;
    }
    float* __restrict const b = call.velocity + first;
    const float momentum = call.momentum;
    // Nesterov's step looks one momentum ahead; without it the velocity alone counts.
    const float ahead = call.nesterov ? momentum : 1.0f;
    const float own = call.nesterov ? 1.0f : 0.0f;
    for (size_t i = 0; i < size; i++) {
      const float d = g[i] + decay * p[i];
      b[i] = momentum * b[i] + d;
      p[i] -= rate * (own * d + ahead * b[i]);
    }
  });
}

void adam_step(const Context& context, const AdamCall& call) {
  for_pieces(context.pool, call.count, [&](int, size_t first, size_t size) {
    float* __restrict const p = call.parameter + first;
    const float* __restrict const g = call.gradient + first;
    float* __restrict const m = call.first + first;
    float* __restrict const v = call.second + first;
    const float beta1 = call.beta1;
    const float beta2 = call.beta2;
    const float rest1 = call.rest1;
    const float rest2 = call.rest2;
    for (size_t i = 0; i < size; i++) {
      const float d = g[i] + call.weight_decay * p[i];
      m[i] = beta1 * m[i] + rest1 * d;
      v[i] = beta2 * v[i] + rest2 * d * d;
      p[i] -= call.rate * m[i] / (__builtin_sqrtf(v[i]) * call.root + call.epsilon);
    }
  });
}

}  // namespace UNFOLD_SET
}  // namespace unfold
