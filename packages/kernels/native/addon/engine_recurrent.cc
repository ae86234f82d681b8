// Recurrent layers. Both calls begin alike: cell, tokens, T, N, C, H, input, weights and biases, then what the pass keeps.
#include "engine.h"

namespace unfold {
namespace {

struct Extents {
  size_t unit, steps, weight_ih, weight_hh, bias;
};

RecurrentSizes read_sizes(Napi::Env env, const Arguments& arguments) {
  const int cell = arguments.integer(0);
  if (cell > static_cast<int>(CellKind::lstm)) throw Napi::RangeError::New(env, "Expected a kind of cell.");
  const RecurrentSizes sizes{static_cast<CellKind>(cell), arguments.flag(1),  arguments.size(2),
                             arguments.size(3),           arguments.width(4), arguments.width(5)};
  const size_t rows = extent(env, static_cast<size_t>(sizes.T), static_cast<size_t>(sizes.N));
  if (rows == 0 || sizes.C == 0 || sizes.H == 0 || rows > size_t{1} << 30)
    throw Napi::RangeError::New(env, "Expected a batch of at least one step, sequence, input and unit, and at most 2^30 rows.");
  return sizes;
}

Extents measure(Napi::Env env, const RecurrentSizes& s, const KernelTable& kernels) {
  const size_t unit = extent(env, static_cast<size_t>(s.N), static_cast<size_t>(s.H));
  return {unit, extent(env, unit, static_cast<size_t>(s.T)),
          kernels.packed_size({Use::weight_ih, s.cell, s.tokens, s.C, s.H}),
          kernels.packed_size({Use::weight_hh, s.cell, false, s.H, s.H}),
          kernels.packed_size({Use::recurrent_bias, s.cell, false, 1, s.H})};
}

/** The input at argument 6 and the parameters at 7 … 10. */
template <class Call>
void read_operands(Napi::Env env, const Arguments& arguments, const Extents& extents, Call& call) {
  const RecurrentSizes& s = call.sizes;
  const size_t rows = static_cast<size_t>(s.T) * static_cast<size_t>(s.N);
  if (s.tokens)
    call.tokens = arguments.tokens(6, rows, 0, s.C);
  else
    call.input = arguments.reals(6, extent(env, rows, static_cast<size_t>(s.C)));
  call.weights = {arguments.reals(7, extents.weight_ih), arguments.reals(8, extents.weight_hh),
                  arguments.reals(9, extents.bias), arguments.reals(10, extents.bias)};
}

/** Gates, cells and first state at 11 … 13. */
SavedCall read_saved(Napi::Env env, const Arguments& arguments, const RecurrentSizes& s, const Extents& extents,
                     const KernelTable& kernels, bool optional) {
  const size_t rows = static_cast<size_t>(s.T) * static_cast<size_t>(s.N);
  SavedCall saved{};
  saved.gates = arguments.reals(11, extent(env, rows, kernels.gate_columns(s.cell, s.H)), optional);
  if (saved.gates == nullptr) return saved;
  const size_t cells = extent(env, rows + static_cast<size_t>(s.N), kernels.cell_columns(s.cell, s.H));
  saved.cells = s.cell == CellKind::lstm ? arguments.reals(12, cells) : nullptr;
  saved.first = arguments.reals(13, extents.unit);
  return saved;
}

}  // namespace

void Engine::recurrent_forward(const Info& info) {
  const Arguments arguments(info);
  const Napi::Env env = info.Env();
  ForwardCall call{};
  call.sizes = read_sizes(env, arguments);
  const Extents extents = measure(env, call.sizes, *kernels_);
  read_operands(env, arguments, extents, call);
  call.saved = read_saved(env, arguments, call.sizes, extents, *kernels_, true);
  call.h0 = arguments.optional_reals(14, extents.unit);
  call.c0 = arguments.optional_reals(15, extents.unit);
  call.output = arguments.optional_reals(16, extents.steps);
  call.hT = arguments.optional_reals(17, extents.unit);
  call.cT = arguments.optional_reals(18, extents.unit);
  call.lengths = arguments.optional_lengths(19, static_cast<size_t>(call.sizes.N), call.sizes.T);
  with_context(info, [&](const Context& context) { kernels_->recurrent_forward(context, call); });
}

void Engine::recurrent_backward(const Info& info) {
  const Arguments arguments(info);
  const Napi::Env env = info.Env();
  BackwardCall call{};
  call.sizes = read_sizes(env, arguments);
  const Extents extents = measure(env, call.sizes, *kernels_);
  read_operands(env, arguments, extents, call);
  call.saved = read_saved(env, arguments, call.sizes, extents, *kernels_, false);
  call.output = arguments.reals(14, extents.steps);
  call.d_output = arguments.optional_reals(15, extents.steps);
  call.dhT = arguments.optional_reals(16, extents.unit);
  call.dcT = arguments.optional_reals(17, extents.unit);
  const size_t rows = static_cast<size_t>(call.sizes.T) * static_cast<size_t>(call.sizes.N);
  call.d_input = arguments.optional_reals(18, extent(env, rows, static_cast<size_t>(call.sizes.C)));
  call.dh0 = arguments.optional_reals(19, extents.unit);
  call.dc0 = arguments.optional_reals(20, extents.unit);
  call.d_ih = arguments.optional_reals(21, extents.weight_ih);
  call.d_hh = arguments.optional_reals(22, extents.weight_hh);
  call.d_bias_ih = arguments.optional_reals(23, extents.bias);
  call.d_bias_hh = arguments.optional_reals(24, extents.bias);
  call.lengths = arguments.optional_lengths(25, static_cast<size_t>(call.sizes.N), call.sizes.T);
  if (call.sizes.tokens && call.d_input != nullptr) throw Napi::TypeError::New(env, "Expected no dInput for tokens.");
  with_context(info, [&](const Context& context) { kernels_->recurrent_backward(context, call); });
}

}  // namespace unfold
