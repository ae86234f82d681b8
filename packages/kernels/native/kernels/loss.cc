// Softmax cross-entropy and log-softmax, a row at a time: the largest logit is taken away first.
#include "../simd/elementary.h"
#include "pointwise.h"
#include "tile.h"

namespace unfold {
namespace UNFOLD_SET {
namespace {

constexpr int kRows = 64;

/** ln x for x ≥ 1 in double: x = m 2ᵉ, √½ ≤ m < √2, and 2 artanh((m − 1) / (m + 1)) as a series. NaN stays; so does infinity. */
double logarithm(double x) {
  if (!(x < 1.7e308)) return x;
  uint64_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  int e = static_cast<int>(bits >> 52) - 1023;
  bits = (bits & 0xfffffffffffffull) | 0x3ff0000000000000ull;
  double m;
  __builtin_memcpy(&m, &bits, sizeof m);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    e++;
  }
  const double s = (m - 1) / (m + 1);
  const double z = s * s;
  double sum = 1.0 / 19;
  for (int odd = 17; odd >= 3; odd -= 2) sum = sum * z + 1.0 / odd;
  return e * 0.6931471805599453 + 2 * (s + s * z * sum);
}

struct Row {
  float largest;
  /** Σ exp(logit − largest). */
  float sum;
};

/** The row's maximum and sum; `powers`, if given, gets exp(logit − largest). */
Row measure(const float* logits, int V, float* powers) {
  const int vectors = vectors_for(V);
  const int lanes = V - (vectors - 1) * kWidth;
  float top = logits[0];
  if (vectors > 1) {
    Vec most = load(logits);
    for (int j = 1; j < vectors - 1; j++) most = largest(most, load(logits + j * kWidth));
    top = largest_lane(most);
  }
  for (int i = (vectors - 1) * kWidth; i < V; i++) top = logits[i] > top ? logits[i] : top;

  const Vec shift = broadcast(top);
  Vec sum = broadcast(0.0f);
  for (int j = 0; j < vectors; j++) {
    const bool whole = j < vectors - 1 || lanes == kWidth;
    const float* const from = logits + j * kWidth;
    Vec power = exponential(sub(whole ? load(from) : load_part(from, lanes), shift));
    if (whole) {
      if (powers != nullptr) store(powers + j * kWidth, power);
    } else {
      // Lanes beyond the row held exp(0 − largest): only the row's own may be added.
      float own[kWidth] = {};
      store_part(own, power, lanes);
      power = load(own);
      if (powers != nullptr) store_part(powers + j * kWidth, power, lanes);
    }
    sum = add(sum, power);
  }
  return {top, sum_lanes(sum)};
}

bool is_first_maximum(const float* logits, int target, float top) {
  if (logits[target] != top) return false;
  for (int v = 0; v < target; v++)
    if (logits[v] == top) return false;
  return true;
}

/** One row's loss; its gradient, which may overwrite the logits; and whether the target was the best guess. */
double row_loss(const LossCall& call, ptrdiff_t row, bool& correct) {
  const int V = call.V;
  const float* const logits = call.logits + row * V;
  const int target = call.targets[row];
  float* const d_logits = call.d_logits == nullptr ? nullptr : call.d_logits + row * V;
  correct = false;
  if (target < 0) {
    if (d_logits != nullptr)
      for (int v = 0; v < V; v++) d_logits[v] = 0.0f;
    return 0;
  }
  const float own = logits[target];
  if (call.count_correct) {
    float top = logits[0];
    for (int v = 1; v < V; v++) top = logits[v] > top ? logits[v] : top;
    correct = is_first_maximum(logits, target, top);
  }
  const Row measured = measure(logits, V, d_logits);
  if (d_logits != nullptr) {
    const double count = call.count;
    const float factor = static_cast<float>(1.0 / (static_cast<double>(measured.sum) * count));
    const float power = d_logits[target];
    for (int v = 0; v < V; v++) d_logits[v] *= factor;
    d_logits[target] = (power - measured.sum) * factor;
  }
  return logarithm(measured.sum) - (static_cast<double>(own) - measured.largest);
}

}  // namespace

LossResult softmax_cross_entropy(const Context& context, const LossCall& call) {
  const size_t rows = static_cast<size_t>(call.rows);
  double* const values = context.scratch.doubles(Scratch::sums, 2 * rows);
  double* const hits = values + rows;
  run_parts(context.pool, (call.rows + kRows - 1) / kRows, [&](int part) {
    for (ptrdiff_t row = static_cast<ptrdiff_t>(part) * kRows; row < lesser(call.rows, (part + 1) * kRows); row++) {
      bool correct;
      values[row] = row_loss(call, row, correct);
      hits[row] = correct ? 1 : 0;
      if (call.losses != nullptr) call.losses[row] = static_cast<float>(values[row]);
    }
  });
  LossResult result{0, 0};
  for (size_t row = 0; row < rows; row++) {
    result.loss += values[row];
    result.correct += hits[row];
  }
  return result;
}

void log_softmax(const Context& context, int rows, int V, const float* logits, float* output) {
  run_parts(context.pool, (rows + kRows - 1) / kRows, [&](int part) {
    for (ptrdiff_t row = static_cast<ptrdiff_t>(part) * kRows; row < lesser(rows, (part + 1) * kRows); row++) {
      const Row measured = measure(logits + row * V, V, nullptr);
      const double shift = measured.largest + logarithm(measured.sum);
      for (int v = 0; v < V; v++) output[row * V + v] = static_cast<float>(logits[row * V + v] - shift);
    }
  });
}

}  // namespace UNFOLD_SET
}  // namespace unfold
