#include "recurrent.h"

namespace unfold {
namespace UNFOLD_SET {
namespace {

/** d_table[token, :] += the gates' gradients, row after row; threads split the columns. */
void scatter_tokens(const Context& context, const BackwardCall& call, const Gates& gates, const InputColumns& dy) {
  const RecurrentSizes& s = call.sizes;
  const ptrdiff_t table_columns = static_cast<ptrdiff_t>(gates.unit_vectors()) * gates.gates() * kWidth;
  const int blocks = gates.unit_vectors();
  const int parts = lesser(context.pool.threads(), blocks);
  run_parts(context.pool, parts, [&](int part) {
    const int first = part_start(blocks, part, parts, 1);
    const int last = part_start(blocks, part + 1, parts, 1);
    for (ptrdiff_t row = 0; row < static_cast<ptrdiff_t>(s.T) * s.N; row++) {
      const float* const from = dy.at + row * dy.stride;
      float* const to = call.d_ih + call.tokens[row] * table_columns;
      for (int block = first; block < last; block++)
        for (int g = 0; g < gates.gates(); g++) {
          float* const p = to + (block * gates.gates() + g) * kWidth;
          store(p, add(load(p), load(from + (block * dy.block + g) * kWidth)));
        }
    }
  });
}

}  // namespace

void bias_gradients(const Context& context, const BackwardCall& call, const Gates& gates) {
  if (call.d_bias_ih == nullptr && call.d_bias_hh == nullptr) return;
  float* const sums = context.scratch.floats(Scratch::sums, static_cast<size_t>(gates.columns()));
  column_sums(context.pool, call.sizes.T * call.sizes.N, call.saved.gates, gates.columns(), gates.columns(), sums);
  const bool gru = gates.cell == CellKind::gru;
  for (int block = 0; block < gates.unit_vectors(); block++) {
    for (int g = 0; g < gates.gates(); g++) {
      // A bias stands in the order of PyTorch's blocks; the input's share of a GRU's third block is slot 0, the recurrent one slot 3.
      const float* const row = sums + block * gates.slots() * kWidth;
      const int place = (block * gates.gates() + g) * kWidth;
      const Vec recurrent = load(row + (g + gates.recurrent_slot()) * kWidth);
      const Vec input = gru && g == 2 ? load(row) : recurrent;
      if (call.d_bias_ih != nullptr) store(call.d_bias_ih + place, add(load(call.d_bias_ih + place), input));
      if (call.d_bias_hh != nullptr) store(call.d_bias_hh + place, add(load(call.d_bias_hh + place), recurrent));
    }
  }
}

void copy_or_zero(const float* source, size_t count, float* target) {
  for (size_t i = 0; i < count; i++) target[i] = source != nullptr ? source[i] : 0.0f;
}

void pad_rows(const float* plain, int N, const Gates& gates, float* padded) {
  for (ptrdiff_t n = 0; n < N; n++) {
    float* const row = padded + n * gates.padded();
    copy_or_zero(plain == nullptr ? nullptr : plain + n * gates.H, static_cast<size_t>(gates.H), row);
    for (int u = gates.H; u < gates.padded(); u++) row[u] = 0.0f;
  }
}

void unpad_rows(const float* padded, int N, const Gates& gates, float* plain) {
  for (ptrdiff_t n = 0; n < N; n++)
    copy_or_zero(padded + n * gates.padded(), static_cast<size_t>(gates.H), plain + n * gates.H);
}

ForwardMemory prepare_forward(const Context& context, const ForwardCall& call, const Gates& gates) {
  const RecurrentSizes& s = call.sizes;
  const size_t unit = static_cast<size_t>(s.N) * s.H;
  const size_t padded = static_cast<size_t>(s.N) * gates.padded();
  const bool lstm = s.cell == CellKind::lstm;
  ForwardMemory memory{call.saved.first, call.output, call.saved.cells, s.T + 1};
  if (call.saved.gates == nullptr) {
    memory.first = context.scratch.floats(Scratch::states, unit + (lstm ? 2 * padded + 16 : 0));
    if (lstm) memory.cells = memory.first + (unit + 15) / 16 * 16;
    memory.cell_slots = 2;
  }
  if (memory.output == nullptr) memory.output = context.scratch.floats(Scratch::rows, unit * s.T);
  copy_or_zero(call.h0, unit, memory.first);
  if (lstm) pad_rows(call.c0, s.N, gates, memory.cells);
  return memory;
}

void finish_forward(const ForwardCall& call, const Gates& gates, const ForwardMemory& memory) {
  const RecurrentSizes& s = call.sizes;
  const size_t unit = static_cast<size_t>(s.N) * s.H;
  for (ptrdiff_t n = 0; n < s.N && call.hT != nullptr; n++) {
    const int length = call.lengths == nullptr ? s.T : call.lengths[n];
    const float* const last = length == 0 ? memory.first : memory.output + unit * (length - 1);
    copy_or_zero(last + n * s.H, static_cast<size_t>(s.H), call.hT + n * s.H);
  }
  if (call.cT != nullptr && s.cell == CellKind::lstm) {
    const size_t slot = static_cast<size_t>(s.T % memory.cell_slots);
    unpad_rows(memory.cells + slot * s.N * gates.padded(), s.N, gates, call.cT);
  }
}

const float* combined_bias(const Context& context, const RecurrentWeights& weights, const Gates& gates) {
  float* const bias = context.scratch.floats(Scratch::bias, static_cast<size_t>(gates.columns()));
  for (int block = 0; block < gates.unit_vectors(); block++) {
    float* const row = bias + block * gates.slots() * kWidth;
    for (int g = 0; g < gates.gates(); g++) {
      const int place = (block * gates.gates() + g) * kWidth;
      float* const to = row + (g + gates.recurrent_slot()) * kWidth;
      if (gates.cell == CellKind::gru && g == 2) {
        store(row, load(weights.bias_ih + place));
        store(to, load(weights.bias_hh + place));
      } else {
        const Vec input = load(weights.bias_ih + place);
        store(to, weights.bias_hh == nullptr ? input : add(input, load(weights.bias_hh + place)));
      }
    }
  }
  return bias;
}

const float* padded_peephole(const Context& context, const RecurrentWeights& weights, const Gates& gates) {
  if (weights.peephole == nullptr) return nullptr;
  float* const padded = context.scratch.floats(Scratch::peephole, static_cast<size_t>(3) * gates.padded());
  pad_rows(weights.peephole, 3, gates, padded);
  return padded;
}

void project_input(const Context& context, const ForwardCall& call, const Gates& gates, const float* bias) {
  const RecurrentSizes& s = call.sizes;
  product(context, {s.T * s.N, s.C, call.input, s.C, plain_row, call.weights.ih, gates.panels(s.C), bias,
                         call.saved.gates, gates.columns(), gates.panel_stride(), kWidth, false});
}

void parameter_gradients(const Context& context, const BackwardCall& call, const Gates& gates) {
  const RecurrentSizes& s = call.sizes;
  const ptrdiff_t columns = gates.columns();
  const float* const gradients = call.saved.gates;
  if (call.d_hh != nullptr) {
    GradientProduct part{s.N,        s.H,     call.saved.first,     s.H,      gradients + gates.offset(false), columns,
                         gates.panel_stride(), kWidth, call.d_hh, gates.panels(s.H)};
    gradient_product(context, part);
    part.rows = (s.T - 1) * s.N;
    part.x = call.output;
    part.dy += s.N * columns;
    gradient_product(context, part);
  }
  input_weight_gradient(context, call, gates, input_columns(call.saved, gates));
  bias_gradients(context, call, gates);
}

void input_weight_gradient(const Context& context, const BackwardCall& call, const Gates& gates, const InputColumns& dy) {
  const RecurrentSizes& s = call.sizes;
  if (call.d_ih == nullptr) return;
  if (s.tokens) return scatter_tokens(context, call, gates, dy);
  const int stride = (gates.single() ? kPanel : dy.block) * kWidth;
  gradient_product(context, {s.T * s.N, s.C, call.input, s.C, dy.at, dy.stride, stride, kWidth, call.d_ih, gates.panels(s.C)});
}

void injected_gradient(const Context& context, const BackwardCall& call, const Gates& gates) {
  const RecurrentSizes& s = call.sizes;
  const ptrdiff_t width = static_cast<ptrdiff_t>(gates.gates()) * s.H;
  run_parts(context.pool, s.T, [&](int t) {
    for (ptrdiff_t row = static_cast<ptrdiff_t>(t) * s.N; row < static_cast<ptrdiff_t>(t + 1) * s.N; row++) {
      const float* const from = call.saved.gates + row * gates.columns();
      for (int g = 0; g < gates.gates(); g++)
        for (int block = 0; block < gates.unit_vectors(); block++)
          store_units(call.d_injected + row * width + static_cast<ptrdiff_t>(g) * s.H, block, s.H,
                      load(from + (block * gates.slots() + gates.input_slot(g)) * kWidth));
    }
  });
}

void add_sequence_sums(const float* sums, int N, int parts, const Gates& gates, float* target) {
  const ptrdiff_t padded = gates.padded();
  for (int part = 0; part < parts; part++)
    for (int block = 0; block < gates.unit_vectors(); block++) {
      Vec total = broadcast(0.0f);
      for (ptrdiff_t n = 0; n < N; n++) total = add(total, load(sums + (n * parts + part) * padded + block * kWidth));
      float* const to = target + static_cast<ptrdiff_t>(part) * gates.H;
      store_units(to, block, gates.H, add(load_units(to, block, gates.H), total));
    }
}

void input_gradient(const Context& context, const BackwardCall& call, const Gates& gates, const InputColumns& dy) {
  const RecurrentSizes& s = call.sizes;
  if (call.d_input == nullptr) return;
  const Panels panels = gates.panels(s.C);
  const Panels turned = transposed(panels);
  float* const weights = context.scratch.floats(Scratch::transposed_input, turned.size());
  transpose_panels(context.pool, panels, call.weights.ih, weights);
  product(context, {s.T * s.N, panels.vectors * kWidth, dy.at, dy.stride, dy.segments, weights,
                         turned, nullptr, call.d_input, s.C, kPanel * kWidth, lanes_of(s.C), false});
}

}  // namespace UNFOLD_SET
}  // namespace unfold
