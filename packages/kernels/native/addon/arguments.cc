#include "arguments.h"

#include <cmath>
#include <string>

namespace unfold {

void Arguments::fail(size_t index, const char* expected) const {
  throw Napi::TypeError::New(info_.Env(), "Expected " + std::string(expected) + " for native argument " + std::to_string(index) + ".");
}

void* Arguments::array(size_t index, size_t least, bool optional, napi_typedarray_type type) const {
  const Napi::Value value = info_[index];
  napi_typedarray_type actual;
  size_t length = 0;
  void* data = nullptr;
  // It refuses everything else itself.
  if (napi_get_typedarray_info(info_.Env(), value, &actual, &length, &data, nullptr, nullptr) != napi_ok) {
    if (optional && (value.IsNull() || value.IsUndefined())) return nullptr;
    fail(index, "a typed array");
  }
  if (actual != type) fail(index, type == napi_float32_array ? "a Float32Array" : type == napi_int32_array ? "an Int32Array" : "a Float64Array");
  if (length < least) fail(index, ("at least " + std::to_string(least) + " elements").c_str());
  return data;
}

const int32_t* Arguments::tokens(size_t index, size_t count, int lowest, int bound) const {
  const int32_t* const tokens = ints(index, count);
  bool inside = true;
  for (size_t i = 0; i < count; i++) inside &= tokens[i] >= lowest && tokens[i] < bound;
  if (!inside) fail(index, "tokens within the vocabulary");
  return tokens;
}

const int32_t* Arguments::optional_lengths(size_t index, size_t count, int most) const {
  const int32_t* const lengths = ints(index, count, true);
  bool inside = true;
  for (size_t i = 0; i < count && lengths != nullptr; i++) inside &= lengths[i] >= 0 && lengths[i] <= most;
  if (!inside) fail(index, "lengths of at most all steps");
  return lengths;
}

size_t Arguments::length(size_t index) const {
  if (!info_[index].IsTypedArray()) fail(index, "a typed array");
  return info_[index].As<Napi::TypedArray>().ElementLength();
}

int Arguments::integer(size_t index, int most) const {
  const double value = number(index);
  if (!(value >= 0 && value <= most) || value != std::floor(value))
    fail(index, ("a whole number from 0 to " + std::to_string(most)).c_str());
  return static_cast<int>(value);
}

double Arguments::number(size_t index) const {
  double value = 0;
  if (napi_get_value_double(info_.Env(), info_[index], &value) != napi_ok) fail(index, "a number");
  return value;
}

bool Arguments::flag(size_t index) const {
  bool value = false;
  if (napi_get_value_bool(info_.Env(), info_[index], &value) != napi_ok) fail(index, "a boolean");
  return value;
}

size_t extent(Napi::Env env, size_t a, size_t b, size_t c) {
  size_t product = 0;
  if (__builtin_mul_overflow(a, b, &product) || __builtin_mul_overflow(product, c, &product) || product > (size_t{1} << 46))
    throw Napi::RangeError::New(env, "Expected sizes that some memory could hold.");
  return product;
}

}  // namespace unfold
