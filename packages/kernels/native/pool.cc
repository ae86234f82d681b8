#include "pool.h"

#include <cstdlib>
#include <cstring>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace unfold {
namespace {

/** About 20 microseconds of watching before a thread sleeps. */
constexpr int kWatchRounds = 600;

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

constexpr uint64_t kPartBits = 24;
constexpr uint64_t kPartMask = (uint64_t{1} << kPartBits) - 1;

}  // namespace

FlushDenormals::FlushDenormals() {
#if defined(__x86_64__)
  before_ = _mm_getcsr();
  // Bit 15 flushes results, bit 6 takes denormal inputs as zero.
  _mm_setcsr(static_cast<unsigned>(before_) | 0x8040u);
#elif defined(__aarch64__)
  asm volatile("mrs %0, fpcr" : "=r"(before_));
  asm volatile("msr fpcr, %0" : : "r"(before_ | (uint64_t{1} << 24)));
#else
  before_ = 0;
#endif
}

FlushDenormals::~FlushDenormals() {
#if defined(__x86_64__)
  _mm_setcsr(static_cast<unsigned>(before_));
#elif defined(__aarch64__)
  asm volatile("msr fpcr, %0" : : "r"(before_));
#endif
}

Pool::Pool(int threads) {
  workers_.reserve(static_cast<size_t>(threads - 1));
  try {
    for (int i = 1; i < threads; i++) workers_.emplace_back([this] { work(); });
  } catch (...) {
    stop();
    throw;
  }
}

Pool::~Pool() { stop(); }

int Pool::threads() const { return static_cast<int>(workers_.size()) + 1; }

void Pool::stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
  workers_.clear();
}

void Pool::run(int parts, Part part, void* context) {
  // A ticket holds no more parts than its lower bits can count.
  if (parts <= 1 || workers_.empty() || static_cast<uint64_t>(parts) > kPartMask) {
    for (int i = 0; i < parts; i++) part(context, i);
    return;
  }
  uint64_t job;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    job = job_.load() + 1;
    part_ = part;
    context_ = context;
    open_parts_ = parts;
    ticket_ = job << kPartBits | static_cast<uint64_t>(parts);
    job_ = job;
  }
  wake_.notify_all();
  take_parts(job);
  for (int round = 0; round < kWatchRounds && open_parts_.load() > 0; round++) pause();
  std::unique_lock<std::mutex> lock(mutex_);
  finished_.wait(lock, [this] { return open_parts_.load() == 0; });
}

void Pool::take_parts(uint64_t job) {
  for (;;) {
    uint64_t ticket = ticket_.load();
    // Parts are left of this job, and it cannot end before they are taken: if the ticket is still the same below, these are its.
    const Part part = part_.load();
    void* const context = context_.load();
    do {
      if (ticket >> kPartBits != job || (ticket & kPartMask) == 0) return;
    } while (!ticket_.compare_exchange_weak(ticket, ticket - 1));
    part(context, static_cast<int>(ticket & kPartMask) - 1);
    if (open_parts_.fetch_sub(1) == 1) {
      const std::lock_guard<std::mutex> lock(mutex_);
      finished_.notify_all();
    }
  }
}

void Pool::work() {
  const FlushDenormals flush;
  uint64_t seen = 0;
  for (;;) {
    for (int round = 0; round < kWatchRounds && job_.load() == seen && !stopping_.load(); round++) pause();
    if (job_.load() == seen) {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [&] { return job_.load() != seen || stopping_.load(); });
    }
    if (stopping_.load()) return;
    seen = job_.load();
    take_parts(seen);
  }
}

void* allocate_zeroed(size_t bytes) noexcept {
  // Long blocks begin where a huge page can, so that a product's strided rows do not need a table look-up each.
  constexpr size_t kHugePage = size_t{1} << 21;
  const size_t alignment = bytes >= kHugePage ? kHugePage : 64;
  void* memory = nullptr;
  // Not a byte more than asked for, so that a sanitizer sees the first one beyond.
  if (posix_memalign(&memory, alignment, bytes == 0 ? 1 : bytes) != 0) return nullptr;
#if defined(MADV_HUGEPAGE)
  // Only whole huge pages are asked for: the rest would be memory that nobody uses. Advice that is refused costs nothing.
  if (bytes >= kHugePage) madvise(memory, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
#endif
  std::memset(memory, 0, bytes);
  return memory;
}

Scratch::~Scratch() {
  for (Block& block : blocks_) std::free(block.memory);
}

uint32_t* Scratch::words(Name name, size_t count) { return reinterpret_cast<uint32_t*>(floats(name, count)); }

double* Scratch::doubles(Name name, size_t count) { return reinterpret_cast<double*>(floats(name, 2 * count)); }

float* Scratch::floats(Name name, size_t count) {
  Block& block = blocks_[name];
  const size_t bytes = count * sizeof(float);
  if (block.bytes < bytes || block.memory == nullptr) {
    std::free(block.memory);
    block = Block{};
    block.memory = allocate_zeroed(bytes);
    if (block.memory == nullptr) throw std::bad_alloc();
    block.bytes = bytes;
  }
  return static_cast<float*>(block.memory);
}

}  // namespace unfold
