/** Tensor memory: ArrayBuffers whose bytes stand at a 64-byte boundary and can be given back at once. */
#pragma once

#include <napi.h>

namespace unfold {

/** allocate(bytes): a zeroed ArrayBuffer. Throws an Error where memory is short. */
Napi::Value allocate(const Napi::CallbackInfo& info);
/** release(buffer): frees its memory now and leaves it empty. A buffer that was not made here is refused. */
void release(const Napi::CallbackInfo& info);

}  // namespace unfold
