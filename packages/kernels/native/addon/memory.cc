#include "memory.h"

#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "../pool.h"

namespace unfold {
namespace {

/** One buffer's memory. It outlives `release`, since the buffer's finalizer, which comes later, still knows it. */
struct Block {
  void* memory;
  int64_t bytes;

  explicit Block(size_t count) : memory(allocate_zeroed(count)), bytes(static_cast<int64_t>(count)) {}
  ~Block() { std::free(memory); }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
};

std::mutex mutex;
std::unordered_map<void*, Block*> living;

/** Frees the block's memory if nobody has done so. */
void free_memory(Napi::BasicEnv env, Block* block) {
  {
    const std::lock_guard<std::mutex> lock(mutex);
    if (block->memory == nullptr) return;
    living.erase(block->memory);
    std::free(block->memory);
    block->memory = nullptr;
  }
  int64_t now = 0;
  napi_adjust_external_memory(env, -block->bytes, &now);
}

}  // namespace

Napi::Value allocate(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const double bytes = info[0].IsNumber() ? info[0].As<Napi::Number>().DoubleValue() : -1;
  if (!(bytes >= 0 && bytes <= 9007199254740991.0)) throw Napi::RangeError::New(env, "Expected a number of bytes.");
  auto made = std::make_unique<Block>(static_cast<size_t>(bytes));
  if (made->memory == nullptr)
    throw Napi::Error::New(env, "Not enough memory for " + std::to_string(made->bytes) + " bytes.");
  {
    const std::lock_guard<std::mutex> lock(mutex);
    living.emplace(made->memory, made.get());
  }
  // From here on the buffer's finalizer frees it.
  Block* const block = made.release();
  napi_value buffer = nullptr;
  const auto finalize = [](napi_env raw, void*, void* hint) {
    Block* const own = static_cast<Block*>(hint);
    free_memory(Napi::BasicEnv(raw), own);
    delete own;
  };
  const napi_status status =
      napi_create_external_arraybuffer(env, block->memory, static_cast<size_t>(bytes), finalize, block, &buffer);
  int64_t now = 0;
  if (status == napi_ok) napi_adjust_external_memory(env, block->bytes, &now);
  if (status != napi_ok) {
    // Whether the finalizer still runs is not promised; freeing through the table is safe either way.
    const std::lock_guard<std::mutex> lock(mutex);
    living.erase(block->memory);
    std::free(block->memory);
    block->memory = nullptr;
    throw Napi::Error::New(env, "This runtime allows no buffers outside its own memory.");
  }
  return Napi::Value(env, buffer);
}

void release(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsArrayBuffer()) throw Napi::TypeError::New(env, "Expected an ArrayBuffer.");
  Napi::ArrayBuffer buffer = info[0].As<Napi::ArrayBuffer>();
  Block* block = nullptr;
  {
    const std::lock_guard<std::mutex> lock(mutex);
    const auto found = living.find(buffer.Data());
    if (found != living.end()) block = found->second;
  }
  if (block == nullptr) throw Napi::TypeError::New(env, "Expected a living buffer of this engine.");
  buffer.Detach();
  free_memory(env, block);
}

}  // namespace unfold
