#include "engine.h"

#include <string>
#include <system_error>

#include "../dispatch.h"
#include "../kernels/dots.h"

namespace unfold {

namespace {
constexpr int kMostThreads = 256;
}

Engine::Engine(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Engine>(info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsString()) throw Napi::TypeError::New(env, "Expected the name of an instruction set.");
  const std::string name = info[0].As<Napi::String>();
  bf16_ = Arguments(info).flag(2);
  kernels_ = find_kernels(name, bf16_);
  if (kernels_ == nullptr) throw Napi::RangeError::New(env, "This machine cannot run the instruction set " + name + ".");
  const int threads = Arguments(info).integer(1);
  if (threads < 1 || threads > kMostThreads) throw Napi::RangeError::New(env, "Expected from 1 to 256 threads.");
  try {
    pool_ = std::make_unique<Pool>(threads);
  } catch (const std::system_error& error) {
    throw Napi::Error::New(env, std::string("The system gave no more threads: ") + error.what());
  }
}

Napi::Value Engine::instruction_set(const Info& info) { return Napi::String::New(info.Env(), kernels_->name); }

Napi::Value Engine::dot_instruction(const Info& info) { return Napi::Boolean::New(info.Env(), kernels_->dots->instruction); }

Napi::Function Engine::define(Napi::Env env) {
  return DefineClass(env, "Engine",
                     {
                         InstanceAccessor<&Engine::instruction_set>("instructionSet"),
                         InstanceAccessor<&Engine::dot_instruction>("dotInstruction"),
                         InstanceMethod<&Engine::packed_size>("packedSize"),
                         InstanceMethod<&Engine::pack>("pack"),
                         InstanceMethod<&Engine::unpack>("unpack"),
                         InstanceMethod<&Engine::gate_columns>("gateColumns"),
                         InstanceMethod<&Engine::cell_columns>("cellColumns"),
                         InstanceMethod<&Engine::matmul>("matmul"),
                         InstanceMethod<&Engine::dense_forward>("denseForward"),
                         InstanceMethod<&Engine::dense_backward>("denseBackward"),
                         InstanceMethod<&Engine::embedding_forward>("embeddingForward"),
                         InstanceMethod<&Engine::embedding_backward>("embeddingBackward"),
                         InstanceMethod<&Engine::extra_size>("extraSize"),
                         InstanceMethod<&Engine::recurrent_forward>("recurrentForward"),
                         InstanceMethod<&Engine::recurrent_backward>("recurrentBackward"),
                         InstanceMethod<&Engine::softmax_cross_entropy>("softmaxCrossEntropy"),
                         InstanceMethod<&Engine::log_softmax>("logSoftmax"),
                         InstanceMethod<&Engine::dropout>("dropout"),
                         InstanceMethod<&Engine::sgd_step>("sgdStep"),
                         InstanceMethod<&Engine::adam_step>("adamStep"),
                         InstanceMethod<&Engine::sum_of_squares>("sumOfSquares"),
                         InstanceMethod<&Engine::count_non_finite>("countNonFinite"),
                         InstanceMethod<&Engine::clip>("clip"),
                         InstanceMethod<&Engine::scale>("scale"),
                         InstanceMethod<&Engine::add>("add"),
                         InstanceMethod<&Engine::ceiling>("ceiling"),
                         InstanceMethod<&Engine::reading>("reading"),
                     });
}

}  // namespace unfold
