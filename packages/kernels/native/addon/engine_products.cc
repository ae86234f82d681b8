// Products and look-ups; arguments in the order in which they are read.
#include "engine.h"

namespace unfold {

void Engine::matmul(const Info& info) {
  const Arguments arguments(info);
  const Napi::Env env = info.Env();
  ProductCall call{};
  call.M = arguments.size(0);
  call.K = arguments.size(1);
  call.P = arguments.size(2);
  const size_t M = static_cast<size_t>(call.M);
  const size_t K = static_cast<size_t>(call.K);
  const size_t P = static_cast<size_t>(call.P);
  call.a = arguments.reals(3, extent(env, M, K));
  call.b = arguments.reals(4, extent(env, K, P));
  call.bias = arguments.optional_reals(5, P);
  call.output = arguments.reals(6, extent(env, M, P));
  call.transpose_a = arguments.flag(7);
  call.transpose_b = arguments.flag(8);
  call.accumulate = arguments.flag(9);
  with_context(info, [&](const Context& context) { kernels_->matmul(context, call); });
}

namespace {

/** rows, inputs, outputs, input, weight, whether the weight is plain. */
DenseCall dense_call(Napi::Env env, const Arguments& arguments, const KernelTable& kernels, size_t& weight_size) {
  DenseCall call{};
  call.rows = arguments.size(0);
  call.inputs = arguments.width(1);
  call.outputs = arguments.width(2);
  call.plain_weight = arguments.flag(5);
  weight_size = extent(env, static_cast<size_t>(call.inputs), static_cast<size_t>(call.outputs));
  if (!call.plain_weight) weight_size = kernels.packed_size({Use::dense, CellKind::lstm, false, call.inputs, call.outputs});
  call.input = arguments.reals(3, extent(env, static_cast<size_t>(call.rows), static_cast<size_t>(call.inputs)));
  call.weight = arguments.reals(4, weight_size);
  return call;
}

}  // namespace

void Engine::dense_forward(const Info& info) {
  const Arguments arguments(info);
  size_t weight_size = 0;
  DenseCall call = dense_call(info.Env(), arguments, *kernels_, weight_size);
  const size_t outputs = static_cast<size_t>(call.outputs);
  call.bias = arguments.optional_reals(6, outputs);
  call.output = arguments.reals(7, extent(info.Env(), static_cast<size_t>(call.rows), outputs));
  with_context(info, [&](const Context& context) { kernels_->dense_forward(context, call); });
}

void Engine::dense_backward(const Info& info) {
  const Arguments arguments(info);
  size_t weight_size = 0;
  DenseCall call = dense_call(info.Env(), arguments, *kernels_, weight_size);
  const size_t outputs = static_cast<size_t>(call.outputs);
  const size_t rows = static_cast<size_t>(call.rows);
  call.d_output = arguments.reals(6, extent(info.Env(), rows, outputs));
  call.d_input = arguments.optional_reals(7, extent(info.Env(), rows, static_cast<size_t>(call.inputs)));
  call.d_weight = arguments.optional_reals(8, weight_size);
  call.d_bias = arguments.optional_reals(9, outputs);
  with_context(info, [&](const Context& context) { kernels_->dense_backward(context, call); });
}

namespace {

/** rows, V, C, tokens. */
EmbeddingCall embedding_call(const Arguments& arguments) {
  EmbeddingCall call{};
  call.rows = arguments.size(0);
  call.V = arguments.size(1);
  call.C = arguments.size(2);
  call.tokens = arguments.tokens(3, static_cast<size_t>(call.rows), -1, call.V);
  return call;
}

}  // namespace

void Engine::embedding_forward(const Info& info) {
  const Arguments arguments(info);
  EmbeddingCall call = embedding_call(arguments);
  call.table = arguments.reals(4, extent(info.Env(), static_cast<size_t>(call.V), static_cast<size_t>(call.C)));
  call.output = arguments.reals(5, extent(info.Env(), static_cast<size_t>(call.rows), static_cast<size_t>(call.C)));
  with_context(info, [&](const Context& context) { kernels_->embedding_forward(context, call); });
}

void Engine::embedding_backward(const Info& info) {
  const Arguments arguments(info);
  EmbeddingCall call = embedding_call(arguments);
  call.d_output = arguments.reals(4, extent(info.Env(), static_cast<size_t>(call.rows), static_cast<size_t>(call.C)));
  call.d_table = arguments.reals(5, extent(info.Env(), static_cast<size_t>(call.V), static_cast<size_t>(call.C)));
  with_context(info, [&](const Context& context) { kernels_->embedding_backward(context, call); });
}

}  // namespace unfold
