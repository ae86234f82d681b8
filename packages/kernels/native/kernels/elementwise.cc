// Norms, checks and arithmetic on whole tensors. The loops are plain: the compiler makes vectors of them.
#include "elementwise.h"

#include "pointwise.h"

namespace unfold {
namespace UNFOLD_SET {
namespace {

/** Each piece's sum of term(x) in double, in sixteen lanes and then in a tree; the pieces' sums are added in their order. */
template <class Term>
double sum_pieces(const Context& context, const float* x, size_t count, const Term& term) {
  constexpr int kLanes = 16;
  const size_t pieces = (count + kPiece - 1) / kPiece;
  double* const sums = context.scratch.doubles(Scratch::sums, pieces);
  for_pieces(context.pool, count, [&](int piece, size_t first, size_t size) {
    double lanes[kLanes] = {};
    const float* const p = x + first;
    size_t i = 0;
    for (; i + kLanes <= size; i += kLanes)
      for (int lane = 0; lane < kLanes; lane++) lanes[lane] += term(p[i + lane]);
    for (int lane = 0; i < size; i++, lane++) lanes[lane] += term(p[i]);
    for (int half = kLanes / 2; half > 0; half /= 2)
      for (int lane = 0; lane < half; lane++) lanes[lane] += lanes[lane + half];
    sums[piece] = lanes[0];
  });
  double total = 0;
  for (size_t piece = 0; piece < pieces; piece++) total += sums[piece];
  return total;
}

}  // namespace

double sum_of_squares(const Context& context, const float* x, size_t count) {
  return sum_pieces(context, x, count, [](float value) { return static_cast<double>(value) * value; });
}

double count_non_finite(const Context& context, const float* x, size_t count) {
  // Zero times a finite number is zero; times infinity or NaN it is NaN, which equals nothing.
  return sum_pieces(context, x, count, [](float value) { return value * 0.0f == 0.0f ? 0.0 : 1.0; });
}

void clip(const Context& context, float* x, size_t count, float maximum) {
  for_pieces(context.pool, count, [&](int, size_t first, size_t size) {
    for (float* p = x + first; p < x + first + size; p++) {
      const float below = *p > maximum ? maximum : *p;
      *p = below < -maximum ? -maximum : below;
    }
  });
}

void scale(const Context& context, float* x, size_t count, float factor) {
  for_pieces(context.pool, count, [&](int, size_t first, size_t size) {
    for (float* p = x + first; p < x + first + size; p++) *p *= factor;
  });
}

void add_scaled(const Context& context, const float* source, float* target, size_t count, float factor) {
  for_pieces(context.pool, count, [&](int, size_t first, size_t size) {
    for (size_t i = first; i < first + size; i++) target[i] += factor * source[i];
  });
}

}  // namespace UNFOLD_SET
}  // namespace unfold
