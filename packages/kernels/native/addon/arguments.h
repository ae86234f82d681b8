/**
 * A call's arguments as plain values. TypeScript has validated them; what would make memory unsafe is checked here again, so that no
 * mistake above can do more than throw.
 */
#pragma once

#include <napi.h>

#include <cstdint>

namespace unfold {

class Arguments {
 public:
  explicit Arguments(const Napi::CallbackInfo& info) : info_(info) {}

  /** A Float32Array of at least `least` elements, or null where `optional` and none was given. */
  float* reals(size_t index, size_t least, bool optional = false) const {
    return static_cast<float*>(array(index, least, optional, napi_float32_array));
  }
  float* optional_reals(size_t index, size_t least) const { return reals(index, least, true); }
  int32_t* ints(size_t index, size_t least, bool optional = false) const {
    return static_cast<int32_t*>(array(index, least, optional, napi_int32_array));
  }
  /** A Float64Array of at least `least` elements, or null where none was given. */
  const double* optional_doubles(size_t index, size_t least) const {
    return static_cast<double*>(array(index, least, true, napi_float64_array));
  }
  /** Tokens: an Int32Array of `count` numbers from `lowest` up to below `bound`. */
  const int32_t* tokens(size_t index, size_t count, int lowest, int bound) const;
  /** An Int32Array of `count` numbers from 0 to `most`, or null where none was given. */
  const int32_t* optional_lengths(size_t index, size_t count, int most) const;
  size_t length(size_t index) const;
  /** A whole number from 0 to 2³⁰: sums and small multiples of such sizes stay within an int. */
  int size(size_t index) const { return integer(index, 1 << 30); }
  /** How many units, inputs or outputs a layer has: from 0 to 2²⁴, so that a row of all its gates can be counted by an int. */
  int width(size_t index) const { return integer(index, 1 << 24); }
  /** A whole number from 0 to `most`. */
  int integer(size_t index, int most = 2147483647) const;
  uint32_t word(size_t index) const { return info_[index].As<Napi::Number>().Uint32Value(); }
  double number(size_t index) const;
  bool flag(size_t index) const;

 private:
  void* array(size_t index, size_t least, bool optional, napi_typedarray_type type) const;
  [[noreturn]] void fail(size_t index, const char* expected) const;

  const Napi::CallbackInfo& info_;
};

/** a · b · c as a size; throws a RangeError where it is beyond any memory. */
size_t extent(Napi::Env env, size_t a, size_t b = 1, size_t c = 1);

}  // namespace unfold
