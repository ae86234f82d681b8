#include "dispatch.h"

namespace unfold {

std::vector<const KernelTable*> available_kernels() {
  std::vector<const KernelTable*> tables;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f")) tables.push_back(&avx512_kernels);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) tables.push_back(&avx2_kernels);
#elif defined(__aarch64__)
  tables.push_back(&neon_kernels);
#endif
  tables.push_back(&baseline_kernels);
  return tables;
}

const KernelTable* find_kernels(const std::string& name) {
  const std::vector<const KernelTable*> tables = available_kernels();
  if (name == "auto") return tables.front();
  for (const KernelTable* table : tables)
    if (name == table->name) return table;
  return nullptr;
}

}  // namespace unfold
