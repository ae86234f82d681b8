/**
 * Threads of one engine, and the memory that its kernels reuse from call to call. Nothing here is inline: kernels are compiled once for each
 * instruction set, and of an inline function that all of them hold the linker keeps any one, perhaps one that this processor cannot run.
 */
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace unfold {

/** Treats denormal numbers as zero in this thread while it lives: vanishing gradients are denormal, and some processors are slow on them. */
class FlushDenormals {
 public:
  FlushDenormals();
  ~FlushDenormals();
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  uint64_t before_;
};

/**
 * Runs the parts of a job on the caller's thread and on threads of its own. Which thread runs which part is left to chance, so that a
 * busy neighbour delays only a part; kernels therefore cut their work so that no result depends on it.
 * Between jobs the threads watch for some microseconds, in which the next kernel of a step usually comes, and then sleep.
 */
class Pool {
 public:
  using Part = void (*)(void* context, int part);

  /** `threads` ≥ 1 counts the caller's. Throws std::system_error where the system gives no more threads. */
  explicit Pool(int threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int threads() const;
  /** Calls part(context, 0 … parts − 1), each once, and returns when all have run. Parts must not throw. */
  void run(int parts, Part part, void* context);

 private:
  void work();
  void stop();
  void take_parts(uint64_t job);

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable finished_;
  /** The job's number above, below it how many parts are not yet taken: a late thread can never take a part of a job that it does not know. */
  std::atomic<uint64_t> ticket_{0};
  std::atomic<uint64_t> job_{0};
  std::atomic<int> open_parts_{0};
  std::atomic<bool> stopping_{false};
  std::atomic<Part> part_{nullptr};
  std::atomic<void*> context_{nullptr};
};

/** Memory by name, grown and never shrunk. A name belongs to one kernel at a time; contents are arbitrary. */
class Scratch {
 public:
  enum Name {
    weights, transposed, transposed_input, sums, states, carried, workers, packed, bias, rows, pairs, recurrent_pairs, state_pairs,
    input_pairs, masks, peephole, sequence_sums, extra, step_gates, gains, segments, segments_transposed, segment_gradients, d_hidden,
    d_source, present, second_pairs, second_state_pairs, names
  };

  ~Scratch();
  /** At least `count` floats at a 64-byte boundary. Throws std::bad_alloc. */
  float* floats(Name name, size_t count);
  uint32_t* words(Name name, size_t count);
  double* doubles(Name name, size_t count);

 private:
  struct Block {
    void* memory = nullptr;
    size_t bytes = 0;
  };
  Block blocks_[names];
};

/** Zeroed memory at a 64-byte boundary; null where there is none. Freed with std::free. */
void* allocate_zeroed(size_t bytes) noexcept;

}  // namespace unfold
