// Recurrent layers. Both calls begin alike: cell, tokens, T, N, C, H, input, weights and biases, then what the pass keeps; both end with the
// layer's options and what these want, null for a plain layer.
#include "engine.h"

namespace unfold {
namespace {

struct Extents {
  size_t unit, steps, weight_ih, weight_hh, bias, injected, gates;
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
  const size_t steps = extent(env, unit, static_cast<size_t>(s.T));
  const size_t blocks = s.cell == CellKind::lstm ? 4 : s.cell == CellKind::gru ? 3 : 1;
  // So that no size that is made of these within can overflow.
  extent(env, steps + 64 * static_cast<size_t>(s.T) * static_cast<size_t>(s.N), 16);
  return {unit, steps,
          kernels.packed_size({Use::weight_ih, s.cell, s.tokens, s.C, s.H}),
          kernels.packed_size({Use::weight_hh, s.cell, false, s.H, s.H}),
          kernels.packed_size({Use::recurrent_bias, s.cell, false, 1, s.H}),
          extent(env, steps, blocks), blocks * static_cast<size_t>(s.H)};
}

/** The options at `first`; see `layerOptions` in codes.ts for their order. */
LayerOptions read_options(Napi::Env env, const Arguments& arguments, size_t first, CellKind cell) {
  LayerOptions options{Activation::tanh, false, true, 0, 0, 0, false, Norm::none};
  const double* const values = arguments.optional_doubles(first, 8);
  if (values == nullptr) return options;
  const bool known = values[0] == 0 || values[0] == 1 || values[0] == 2 || values[0] == 3;
  if (!known) throw Napi::RangeError::New(env, "Expected a kind of activation.");
  for (int i = 3; i < 6; i++)
    if (!(values[i] >= 0 && values[i] < 1)) throw Napi::RangeError::New(env, "Expected rates from 0 to below 1.");
  options = {static_cast<Activation>(static_cast<int>(values[0])), values[1] != 0, values[2] != 0, values[3], values[4], values[5],
             values[6] != 0, values[7] == 2 ? Norm::batch : values[7] == 1 ? Norm::layer : Norm::none};
  const bool fits = (!options.peephole || cell == CellKind::lstm) && (options.recurrent || cell == CellKind::elman) &&
                    (options.zoneout_cell == 0 || cell == CellKind::lstm) && (options.zoneout_hidden == 0 || options.recurrent) &&
                    (options.recurrent_dropout == 0 || cell != CellKind::elman) && (!options.reset_before || cell == CellKind::gru);
  if (!fits) throw Napi::RangeError::New(env, "Expected options that the cell has.");
  return options;
}

/** The key [whether this is training, seed, step, layer, first step] and the sequences at `first`. */
MaskKey read_key(const Arguments& arguments, size_t first, int N) {
  const double* const values = arguments.optional_doubles(first, 5);
  if (values == nullptr) return {};
  const auto word = [&](int i) { return values[i] >= 0 && values[i] < 4294967296.0 ? static_cast<uint32_t>(values[i]) : 0u; };
  return {values[0] != 0, word(1), word(2), word(3) & 0xffffu, word(4), arguments.ints(first + 1, static_cast<size_t>(N), true)};
}

/** What staged layers keep, [0], and gains and biases of a normalised layer, [1 … 4]. */
template <class Call>
void read_staged(const Arguments& arguments, size_t first, const Extents& extents, const KernelTable& kernels, bool saves,
                 Call& call) {
  if (!call.options.staged()) return;
  if (saves) call.saved.extra = arguments.reals(first, kernels.extra_size(call.sizes, call.options));
  if (call.options.norm == Norm::none) return;
  const bool lstm = call.sizes.cell == CellKind::lstm;
  const size_t H = static_cast<size_t>(call.sizes.H);
  call.weights.gain_ih = arguments.reals(first + 1, extents.gates);
  if (call.options.recurrent) call.weights.gain_hh = arguments.reals(first + 2, extents.gates);
  if (lstm) call.weights.gain_cell = arguments.reals(first + 3, H);
  if (lstm) call.weights.bias_cell = arguments.reals(first + 4, H);
}

/** Running moments and their positions. */
StatisticsCall read_statistics(Napi::Env env, const Arguments& arguments, size_t first, const Extents& extents, const ForwardCall& call) {
  if (call.options.norm != Norm::batch) return {};
  const size_t steps = arguments.length(first + 2);
  if (steps < 1 || steps > size_t{1} << 30) throw Napi::RangeError::New(env, "Expected running moments of at least one step.");
  const size_t H = static_cast<size_t>(call.sizes.H);
  const size_t columns = extents.gates * (call.options.recurrent ? 2 : 1) + (call.sizes.cell == CellKind::lstm ? H : 0);
  const size_t count = extent(env, steps, columns);
  const size_t N = static_cast<size_t>(call.sizes.N);
  return {static_cast<int>(steps), arguments.reals(first, count), arguments.reals(first + 1, count), arguments.reals(first + 2, steps),
          arguments.optional_lengths(first + 3, N, 2147483647)};
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
  const bool recurrent = call.options.recurrent;
  call.weights = {arguments.reals(7, extents.weight_ih), recurrent ? arguments.reals(8, extents.weight_hh) : nullptr,
                  arguments.reals(9, extents.bias), recurrent ? arguments.reals(10, extents.bias) : nullptr};
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

Napi::Value Engine::extra_size(const Info& info) {
  const Arguments arguments(info);
  const Napi::Env env = info.Env();
  const int cell = arguments.integer(0, static_cast<int>(CellKind::lstm));
  const RecurrentSizes sizes{static_cast<CellKind>(cell), false, arguments.size(1), arguments.size(2), 1, arguments.width(3)};
  extent(env, extent(env, static_cast<size_t>(sizes.T), static_cast<size_t>(sizes.N)), static_cast<size_t>(sizes.H) + 64, 16);
  const LayerOptions options = read_options(env, arguments, 4, sizes.cell);
  return Napi::Number::New(env, static_cast<double>(kernels_->extra_size(sizes, options)));
}

void Engine::recurrent_forward(const Info& info) {
  const Arguments arguments(info);
  const Napi::Env env = info.Env();
  ForwardCall call{};
  call.sizes = read_sizes(env, arguments);
  call.options = read_options(env, arguments, 20, call.sizes.cell);
  const Extents extents = measure(env, call.sizes, *kernels_);
  read_operands(env, arguments, extents, call);
  call.saved = read_saved(env, arguments, call.sizes, extents, *kernels_, true);
  call.h0 = arguments.optional_reals(14, extents.unit);
  call.c0 = arguments.optional_reals(15, extents.unit);
  call.output = arguments.optional_reals(16, extents.steps);
  call.hT = arguments.optional_reals(17, extents.unit);
  call.cT = arguments.optional_reals(18, extents.unit);
  call.lengths = arguments.optional_lengths(19, static_cast<size_t>(call.sizes.N), call.sizes.T);
  call.injected = arguments.optional_reals(21, extents.injected);
  const size_t peephole = extent(env, 3, static_cast<size_t>(call.sizes.H));
  if (call.options.peephole) call.weights.peephole = arguments.reals(22, peephole);
  call.key = read_key(arguments, 23, call.sizes.N);
  read_staged(arguments, 25, extents, *kernels_, call.saved.gates != nullptr, call);
  call.statistics = read_statistics(env, arguments, 30, extents, call);
  with_context(info, [&](const Context& context) { kernels_->recurrent_forward(context, call); });
}

void Engine::recurrent_backward(const Info& info) {
  const Arguments arguments(info);
  const Napi::Env env = info.Env();
  BackwardCall call{};
  call.sizes = read_sizes(env, arguments);
  call.options = read_options(env, arguments, 26, call.sizes.cell);
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
  call.d_injected = arguments.optional_reals(27, extents.injected);
  const size_t peephole = extent(env, 3, static_cast<size_t>(call.sizes.H));
  if (call.options.peephole) {
    call.weights.peephole = arguments.reals(28, peephole);
    call.d_peephole = arguments.optional_reals(31, peephole);
  }
  call.key = read_key(arguments, 29, call.sizes.N);
  read_staged(arguments, 32, extents, *kernels_, true, call);
  if (call.options.norm != Norm::none) {
    const size_t H = static_cast<size_t>(call.sizes.H);
    call.d_gain_ih = arguments.optional_reals(37, extents.gates);
    if (call.options.recurrent) call.d_gain_hh = arguments.optional_reals(38, extents.gates);
    if (call.sizes.cell == CellKind::lstm) {
      call.d_gain_cell = arguments.optional_reals(39, H);
      call.d_bias_cell = arguments.optional_reals(40, H);
    }
  }
  if (call.sizes.tokens && call.d_input != nullptr) throw Napi::TypeError::New(env, "Expected no dInput for tokens.");
  with_context(info, [&](const Context& context) { kernels_->recurrent_backward(context, call); });
}

}  // namespace unfold
