/** The engine that TypeScript holds: one instruction set's kernels, threads and scratch memory. Every method runs to its end at the call. */
#pragma once

#include <napi.h>

#include <memory>

#include "../kernels/calls.h"
#include "../pool.h"
#include "arguments.h"

namespace unfold {

class Engine : public Napi::ObjectWrap<Engine> {
 public:
  static Napi::Function define(Napi::Env env);

  /** new Engine(instructionSet, threads, whether products are done in bfloat16). */
  explicit Engine(const Napi::CallbackInfo& info);

 private:
  using Info = Napi::CallbackInfo;

  Napi::Value instruction_set(const Info& info);
  Napi::Value dot_instruction(const Info& info);

  // engine_layout.cc
  Napi::Value packed_size(const Info& info);
  void pack(const Info& info);
  void unpack(const Info& info);
  Napi::Value gate_columns(const Info& info);
  Napi::Value cell_columns(const Info& info);

  // engine_products.cc
  void matmul(const Info& info);
  void dense_forward(const Info& info);
  void dense_backward(const Info& info);
  void embedding_forward(const Info& info);
  void embedding_backward(const Info& info);

  // engine_recurrent.cc
  Napi::Value extra_size(const Info& info);
  void recurrent_forward(const Info& info);
  void recurrent_backward(const Info& info);

  // engine_pointwise.cc
  Napi::Value softmax_cross_entropy(const Info& info);
  void log_softmax(const Info& info);
  void dropout(const Info& info);
  void sgd_step(const Info& info);
  void adam_step(const Info& info);
  Napi::Value sum_of_squares(const Info& info);
  Napi::Value count_non_finite(const Info& info);
  void clip(const Info& info);
  void scale(const Info& info);
  void add(const Info& info);
  Napi::Value ceiling(const Info& info);
  Napi::Value reading(const Info& info);

  /** Runs body(context) with denormals flushed; memory that runs out becomes a JavaScript error. */
  template <class Body>
  auto with_context(const Info& info, const Body& body) {
    const FlushDenormals flush;
    const Context context{*pool_, scratch_, bf16_ ? kernels_->dots : nullptr};
    try {
      return body(context);
    } catch (const std::bad_alloc&) {
      throw Napi::Error::New(info.Env(), "Not enough memory for a kernel's scratch space.");
    }
  }

  const KernelTable* kernels_ = nullptr;
  bool bf16_ = false;
  std::unique_ptr<Pool> pool_;
  Scratch scratch_;
};

}  // namespace unfold
