#include "panels.h"

namespace unfold {
namespace UNFOLD_SET {

void transpose_panels(Pool& pool, const Panels& from, const float* source, float* target) {
  const Panels to = transposed(from);
  // A part is a panel of the target; within it, blocks of a vector by a vector, so that reads and writes both stay near.
  run_parts(pool, to.count(), [&](int panel) {
    const int width = to.width_of(panel) * kWidth;
    float* const out = target + to.start(panel);
    for (int p = 0; p < from.count(); p++) {
      const int columns = from.width_of(p) * kWidth;
      const float* const in = source + from.start(p);
      float* const rows = out + static_cast<size_t>(p) * from.width * kWidth * width;
      for (int column = 0; column < columns; column += kWidth) {
        for (int lane = 0; lane < width; lane += kWidth) {
          const int k = panel * kPanel * kWidth + lane;
          const int valid = lesser(kWidth, from.depth - k);
          float block[kWidth][kWidth];
          for (int i = 0; i < kWidth; i++)
            store(block[i], i < valid ? load(in + static_cast<size_t>(k + i) * columns + column) : broadcast(0));
          for (int j = 0; j < kWidth; j++) {
            float* const row = rows + static_cast<size_t>(column + j) * width + lane;
            for (int i = 0; i < kWidth; i++) row[i] = block[i][j];
          }
        }
      }
    }
  });
}

void pack_rows(Pool& pool, const float* plain, int outputs, int inputs, float* packed) {
  const Panels panels = dense_panels(outputs, inputs);
  run_parts(pool, panels.count(), [&](int panel) {
    const int width = panels.width_of(panel) * kWidth;
    float* const to = packed + panels.start(panel);
    for (int lane = 0; lane < width; lane++) {
      const int row = panel * kPanel * kWidth + lane;
      for (int k = 0; k < inputs; k++)
        to[static_cast<size_t>(k) * width + lane] = row < outputs ? plain[static_cast<size_t>(row) * inputs + k] : 0.0f;
    }
  });
}

void add_from_panels(Pool& pool, const float* packed, int outputs, int inputs, float* plain) {
  const Panels panels = dense_panels(outputs, inputs);
  run_parts(pool, panels.count(), [&](int panel) {
    const int width = panels.width_of(panel) * kWidth;
    const float* const from = packed + panels.start(panel);
    const int first = panel * kPanel * kWidth;
    for (int lane = 0; lane < lesser(width, outputs - first); lane++) {
      float* const row = plain + static_cast<size_t>(first + lane) * inputs;
      for (int k = 0; k < inputs; k++) row[k] += from[static_cast<size_t>(k) * width + lane];
    }
  });
}

}  // namespace UNFOLD_SET
}  // namespace unfold
