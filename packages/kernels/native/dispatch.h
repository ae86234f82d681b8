/** Which instruction sets this build holds and this machine can run. */
#pragma once

#include <string>
#include <vector>

#include "kernels/calls.h"

namespace unfold {

/** The sets that this machine can run, the fastest first; the baseline is always the last. */
std::vector<const KernelTable*> available_kernels();
/** The set of that name, or null where it does not exist or cannot run here. "auto" is the fastest, with `bf16` for such products. */
const KernelTable* find_kernels(const std::string& name, bool bf16);

}  // namespace unfold
