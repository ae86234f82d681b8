// Losses, dropout, optimizer steps and arithmetic on whole tensors.
#include "engine.h"

namespace unfold {

Napi::Value Engine::softmax_cross_entropy(const Info& info) {
  const Arguments arguments(info);
  LossCall call{};
  call.rows = arguments.size(0);
  call.V = arguments.size(1);
  const size_t rows = static_cast<size_t>(call.rows);
  const size_t size = extent(info.Env(), rows, static_cast<size_t>(call.V));
  call.logits = arguments.reals(2, size);
  call.targets = arguments.tokens(3, rows, -1, call.V);
  call.count = arguments.number(4);
  call.losses = arguments.optional_reals(5, rows);
  call.d_logits = arguments.optional_reals(6, size);
  call.count_correct = arguments.flag(7);
  const LossResult result =
      with_context(info, [&](const Context& context) { return kernels_->softmax_cross_entropy(context, call); });
  const Napi::Array both = Napi::Array::New(info.Env(), 2);
  both.Set(0u, result.loss);
  both.Set(1u, result.correct);
  return both;
}

void Engine::log_softmax(const Info& info) {
  const Arguments arguments(info);
  const int rows = arguments.size(0);
  const int V = arguments.size(1);
  const size_t size = extent(info.Env(), static_cast<size_t>(rows), static_cast<size_t>(V));
  const float* const logits = arguments.reals(2, size);
  float* const output = arguments.reals(3, size);
  if (V == 0) return;
  with_context(info, [&](const Context& context) { kernels_->log_softmax(context, rows, V, logits, output); });
}

void Engine::dropout(const Info& info) {
  const Arguments arguments(info);
  DropoutCall call{};
  call.T = arguments.size(0);
  call.N = arguments.size(1);
  call.H = arguments.size(2);
  const size_t size = extent(info.Env(), static_cast<size_t>(call.T), static_cast<size_t>(call.N), static_cast<size_t>(call.H));
  call.input = arguments.reals(3, size);
  call.output = arguments.reals(4, size);
  call.sequences = arguments.ints(5, static_cast<size_t>(call.N), true);
  call.rate = arguments.number(6);
  if (!(call.rate >= 0 && call.rate < 1)) throw Napi::RangeError::New(info.Env(), "Expected a rate from 0 to below 1.");
  call.seed = arguments.word(7);
  call.purpose_word = arguments.word(8);
  call.step = arguments.word(9);
  call.first_step = arguments.word(10);
  call.variational = arguments.flag(11);
  if (size > 0) with_context(info, [&](const Context& context) { kernels_->dropout(context, call); });
}

void Engine::sgd_step(const Info& info) {
  const Arguments arguments(info);
  SgdCall call{};
  call.count = arguments.length(0);
  call.parameter = arguments.reals(0, call.count);
  call.gradient = arguments.reals(1, call.count);
  call.velocity = arguments.optional_reals(2, call.count);
  call.weight_decay = static_cast<float>(arguments.number(3));
  call.learning_rate = static_cast<float>(arguments.number(4));
  call.momentum = static_cast<float>(arguments.number(5));
  call.nesterov = arguments.flag(6);
  with_context(info, [&](const Context& context) { kernels_->sgd_step(context, call); });
}

void Engine::adam_step(const Info& info) {
  const Arguments arguments(info);
  AdamCall call{};
  call.count = arguments.length(0);
  call.parameter = arguments.reals(0, call.count);
  call.gradient = arguments.reals(1, call.count);
  call.first = arguments.reals(2, call.count);
  call.second = arguments.reals(3, call.count);
  call.weight_decay = static_cast<float>(arguments.number(4));
  call.beta1 = static_cast<float>(arguments.number(5));
  call.beta2 = static_cast<float>(arguments.number(6));
  call.rest1 = static_cast<float>(1 - arguments.number(5));
  call.rest2 = static_cast<float>(1 - arguments.number(6));
  call.epsilon = static_cast<float>(arguments.number(7));
  call.rate = static_cast<float>(arguments.number(8));
  call.root = static_cast<float>(arguments.number(9));
  with_context(info, [&](const Context& context) { kernels_->adam_step(context, call); });
}

Napi::Value Engine::sum_of_squares(const Info& info) {
  const Arguments arguments(info);
  const size_t count = arguments.length(0);
  const float* const x = arguments.reals(0, count);
  const double sum = with_context(info, [&](const Context& context) { return kernels_->sum_of_squares(context, x, count); });
  return Napi::Number::New(info.Env(), sum);
}

Napi::Value Engine::count_non_finite(const Info& info) {
  const Arguments arguments(info);
  const size_t count = arguments.length(0);
  const float* const x = arguments.reals(0, count);
  const double found = with_context(info, [&](const Context& context) { return kernels_->count_non_finite(context, x, count); });
  return Napi::Number::New(info.Env(), found);
}

void Engine::clip(const Info& info) {
  const Arguments arguments(info);
  const size_t count = arguments.length(0);
  float* const x = arguments.reals(0, count);
  const float maximum = static_cast<float>(arguments.number(1));
  with_context(info, [&](const Context& context) { kernels_->clip(context, x, count, maximum); });
}

void Engine::scale(const Info& info) {
  const Arguments arguments(info);
  const size_t count = arguments.length(0);
  float* const x = arguments.reals(0, count);
  const float factor = static_cast<float>(arguments.number(1));
  with_context(info, [&](const Context& context) { kernels_->scale(context, x, count, factor); });
}

void Engine::add(const Info& info) {
  const Arguments arguments(info);
  const size_t count = arguments.length(1);
  const float* const source = arguments.reals(0, count);
  float* const target = arguments.reals(1, count);
  const float factor = static_cast<float>(arguments.number(2));
  with_context(info, [&](const Context& context) { kernels_->add(context, source, target, count, factor); });
}

Napi::Value Engine::ceiling(const Info& info) {
  const int repetitions = Arguments(info).integer(0);
  const double done = with_context(info, [&](const Context& context) { return kernels_->ceiling(context, repetitions); });
  return Napi::Number::New(info.Env(), done);
}

Napi::Value Engine::reading(const Info& info) {
  const Arguments arguments(info);
  const size_t count = static_cast<size_t>(arguments.integer(0));
  const int passes = arguments.integer(1);
  const double sum = with_context(info, [&](const Context& context) { return kernels_->reading(context, count, passes); });
  return Napi::Number::New(info.Env(), sum);
}

}  // namespace unfold
