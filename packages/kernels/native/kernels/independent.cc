// Elman layers without recurrence: h = φ(U x + b). No step waits for another, so that all of them are one product.
#include "ragged.h"
#include "squash.h"

namespace unfold {
namespace UNFOLD_SET {
namespace {

/** Calls body(row, whether the row is padding) for all T · N rows, shared out among threads by steps. */
template <class Body>
void for_rows(const Context& context, const RecurrentSizes& s, const int32_t* lengths, const Body& body) {
  run_parts(context.pool, s.T, [&](int t) {
    for (int n = 0; n < s.N; n++) body(static_cast<ptrdiff_t>(t) * s.N + n, has_ended(lengths, n, t));
  });
}

}  // namespace

void independent_forward(const Context& context, const ForwardCall& call) {
  const RecurrentSizes& s = call.sizes;
  const Gates gates{s.cell, s.H};
  const ptrdiff_t columns = gates.columns();
  const size_t unit = static_cast<size_t>(s.N) * s.H;
  float* const output = call.output != nullptr ? call.output : context.scratch.floats(Scratch::rows, unit * s.T);
  const float* const bias = combined_bias(context, call.weights, gates);
  if (!s.tokens)
    product(context, {s.T * s.N, s.C, call.input, s.C, plain_row, call.weights.ih, gates.panels(s.C), bias, output, s.H,
                      gates.panel_stride(), lanes_of(s.H), false});
  for_rows(context, s, call.lengths, [&](ptrdiff_t row, bool ended) {
    float* const to = output + row * s.H;
    for (int vector = 0; vector < gates.unit_vectors(); vector++) {
      const ptrdiff_t at = static_cast<ptrdiff_t>(vector) * kWidth;
      Vec sum = s.tokens ? add(load(bias + at), load(call.weights.ih + call.tokens[row] * columns + at)) : load_units(to, vector, s.H);
      if (call.injected != nullptr) sum = add(sum, load_units(call.injected + row * s.H, vector, s.H));
      const Vec h = squash(call.options.activation, sum);
      if (call.saved.gates != nullptr) store(call.saved.gates + row * columns + at, h);
      store_units(to, vector, s.H, ended ? broadcast(0.0f) : h);
    }
  });
  const float* const last = output + unit * (s.T - 1);
  if (call.hT != nullptr) copy_or_zero(last, unit, call.hT);
}

void independent_backward(const Context& context, const BackwardCall& call) {
  const RecurrentSizes& s = call.sizes;
  const Gates gates{s.cell, s.H};
  for_rows(context, s, call.lengths, [&](ptrdiff_t row, bool ended) {
    float* const kept = call.saved.gates + row * gates.columns();
    for (int vector = 0; vector < gates.unit_vectors(); vector++) {
      const bool none = ended || call.d_output == nullptr;
      const Vec dh = none ? broadcast(0.0f) : load_units(call.d_output + row * s.H, vector, s.H);
      const Vec dz = mul(dh, squash_slope(call.options.activation, load(kept + vector * kWidth)));
      // Padding may hold anything, also NaN.
      store(kept + vector * kWidth, ended ? broadcast(0.0f) : dz);
    }
  });
  parameter_gradients(context, call, gates);
  input_gradient(context, call, gates, input_columns(call.saved, gates));
  if (call.d_injected != nullptr) injected_gradient(context, call, gates);
}

}  // namespace UNFOLD_SET
}  // namespace unfold
