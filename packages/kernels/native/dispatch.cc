#include "dispatch.h"

#include "kernels/dots.h"

namespace unfold {

#if defined(__x86_64__)
namespace avx512_bf16 {
/** For processors with AVX512_BF16: Intel Cooper Lake, Sapphire Rapids and later, AMD Zen 4 and later. */
extern const DotTiles dots;
}  // namespace avx512_bf16

namespace {

/** Whether this build's AVX-512 kernels run on any processor: checks compile them against an emulation of its functions. */
#if defined(UNFOLD_AVX512_EMULATED)
constexpr bool kEmulated = true;
#else
constexpr bool kEmulated = false;
#endif

/** AVX-512's kernels in every other respect. */
const KernelTable* avx512_bf16_kernels() {
  static const KernelTable table = [] {
    KernelTable copy = avx512_kernels;
    copy.name = "avx512_bf16";
    copy.dots = &avx512_bf16::dots;
    return copy;
  }();
  return &table;
}

}  // namespace
#endif

std::vector<const KernelTable*> available_kernels() {
  std::vector<const KernelTable*> tables;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx512 = kEmulated || __builtin_cpu_supports("avx512f");
  if (avx512) tables.push_back(&avx512_kernels);
  if (avx512 && (kEmulated || __builtin_cpu_supports("avx512bf16"))) tables.push_back(avx512_bf16_kernels());
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) tables.push_back(&avx2_kernels);
#elif defined(__aarch64__)
  tables.push_back(&neon_kernels);
#endif
  tables.push_back(&baseline_kernels);
  return tables;
}

const KernelTable* find_kernels(const std::string& name, bool bf16) {
  const std::vector<const KernelTable*> tables = available_kernels();
  if (name == "auto") {
    for (const KernelTable* table : tables)
      if (bf16 && table->dots->instruction) return table;
    return tables.front();
  }
  for (const KernelTable* table : tables)
    if (name == table->name) return table;
  return nullptr;
}

}  // namespace unfold
