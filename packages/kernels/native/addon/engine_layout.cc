// Parameters between PyTorch's layout and the kernels'. A role comes as (use, cell, tokens, inputs, outputs).
#include "engine.h"

namespace unfold {
namespace {

CellKind cell_of(Napi::Env env, const Arguments& arguments, size_t index) {
  const int cell = arguments.integer(index);
  if (cell > static_cast<int>(CellKind::lstm)) throw Napi::RangeError::New(env, "Expected a kind of cell.");
  return static_cast<CellKind>(cell);
}

Role role_of(Napi::Env env, const Arguments& arguments) {
  const int use = arguments.integer(0);
  if (use > static_cast<int>(Use::dense)) throw Napi::RangeError::New(env, "Expected a use of a parameter.");
  return {static_cast<Use>(use), cell_of(env, arguments, 1), arguments.flag(2), arguments.width(3), arguments.width(4)};
}

/** Elements in PyTorch's layout. */
size_t plain_size(Napi::Env env, const Role& role) {
  constexpr size_t blocks[] = {1, 3, 4};
  const size_t gates = role.use == Use::dense ? 1 : blocks[static_cast<int>(role.cell)];
  const size_t columns = role.use == Use::recurrent_bias ? 1 : static_cast<size_t>(role.inputs);
  return extent(env, gates, static_cast<size_t>(role.outputs), columns);
}

}  // namespace

Napi::Value Engine::packed_size(const Info& info) {
  const Role role = role_of(info.Env(), Arguments(info));
  plain_size(info.Env(), role);
  return Napi::Number::New(info.Env(), static_cast<double>(kernels_->packed_size(role)));
}

void Engine::pack(const Info& info) {
  const Arguments arguments(info);
  const Role role = role_of(info.Env(), arguments);
  const float* const plain = arguments.reals(5, plain_size(info.Env(), role));
  kernels_->pack(role, plain, arguments.reals(6, kernels_->packed_size(role)));
}

void Engine::unpack(const Info& info) {
  const Arguments arguments(info);
  const Role role = role_of(info.Env(), arguments);
  const float* const packed = arguments.reals(5, kernels_->packed_size(role));
  kernels_->unpack(role, packed, arguments.reals(6, plain_size(info.Env(), role)));
}

Napi::Value Engine::gate_columns(const Info& info) {
  const Arguments arguments(info);
  const CellKind cell = cell_of(info.Env(), arguments, 0);
  return Napi::Number::New(info.Env(), static_cast<double>(kernels_->gate_columns(cell, arguments.width(1))));
}

Napi::Value Engine::cell_columns(const Info& info) {
  const Arguments arguments(info);
  const CellKind cell = cell_of(info.Env(), arguments, 0);
  return Napi::Number::New(info.Env(), static_cast<double>(kernels_->cell_columns(cell, arguments.width(1))));
}

}  // namespace unfold
