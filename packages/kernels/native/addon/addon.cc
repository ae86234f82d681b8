// What the addon offers: { Engine, instructionSets, allocate, release }.
#include <napi.h>

#include "../dispatch.h"
#include "engine.h"
#include "memory.h"

namespace unfold {
namespace {

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  const std::vector<const KernelTable*> tables = available_kernels();
  const Napi::Array names = Napi::Array::New(env, tables.size());
  for (size_t i = 0; i < tables.size(); i++) names.Set(static_cast<uint32_t>(i), tables[i]->name);
  exports.Set("Engine", Engine::define(env));
  exports.Set("instructionSets", names);
  exports.Set("allocate", Napi::Function::New<allocate>(env));
  exports.Set("release", Napi::Function::New<release>(env));
  return exports;
}

}  // namespace
}  // namespace unfold

static Napi::Object initialize_addon(Napi::Env env, Napi::Object exports) { return unfold::initialize(env, exports); }

NODE_API_MODULE(unfold_kernels, initialize_addon)
