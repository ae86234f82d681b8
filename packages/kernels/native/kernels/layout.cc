#include "layout.h"

namespace unfold {
namespace UNFOLD_SET {
namespace {

Gates gates_of(const Role& role) { return {role.cell, role.outputs}; }

Panels panels_of(const Role& role) {
  return role.use == Use::dense ? dense_panels(role.outputs, role.inputs) : gates_of(role).panels(role.inputs);
}

/** A token's row of input weights: the gates' columns one after another. */
size_t token_place(const Gates& gates, int token, int column) {
  return static_cast<size_t>(token) * gates.unit_vectors() * gates.gates() * kWidth + column;
}

/** Calls body(place in PyTorch's layout, place in ours) for every element. */
template <class Body>
void for_elements(const Role& role, const Body& body) {
  if (role.use == Use::dense) {
    const Panels panels = panels_of(role);
    for (int row = 0; row < role.outputs; row++)
      for (int k = 0; k < role.inputs; k++)
        body(static_cast<size_t>(row) * role.inputs + k, panels.place(k, row));
    return;
  }
  const Gates gates = gates_of(role);
  const Panels panels = panels_of(role);
  const bool input = role.use == Use::weight_ih;
  for (int g = 0; g < gates.gates(); g++) {
    for (int u = 0; u < gates.H; u++) {
      const int column = gates.column(g, u, input);
      const size_t row = static_cast<size_t>(g) * gates.H + u;
      if (role.use == Use::recurrent_bias) {
        body(row, static_cast<size_t>(column));
        continue;
      }
      for (int k = 0; k < role.inputs; k++)
        body(row * role.inputs + k, input && role.tokens ? token_place(gates, k, column) : panels.place(k, column));
    }
  }
}

}  // namespace

size_t packed_size(const Role& role) {
  if (role.use == Use::recurrent_bias) return static_cast<size_t>(gates_of(role).panels(1).vectors) * kWidth;
  return panels_of(role).size();
}

void pack(const Role& role, const float* plain, float* packed) {
  const size_t size = packed_size(role);
  for (size_t i = 0; i < size; i++) packed[i] = 0.0f;
  for_elements(role, [&](size_t from, size_t to) { packed[to] = plain[from]; });
}

void unpack(const Role& role, const float* packed, float* plain) {
  for_elements(role, [&](size_t to, size_t from) { plain[to] = packed[from]; });
}

}  // namespace UNFOLD_SET
}  // namespace unfold
