/** Parameters between PyTorch's row-major layout and ours; see `KernelTable`. */
#pragma once

#include "panels.h"

namespace unfold {
namespace UNFOLD_SET {

size_t packed_size(const Role& role);
void pack(const Role& role, const float* plain, float* packed);
void unpack(const Role& role, const float* packed, float* plain);

}  // namespace UNFOLD_SET
}  // namespace unfold
