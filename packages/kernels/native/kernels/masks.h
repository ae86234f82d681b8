/** Random masks from the counter-based generator Philox4x32-10 (Salmon, Moraes, Dror and Shaw, 2011), word order as in Random123. */
#pragma once

#include "panels.h"

namespace unfold {
namespace UNFOLD_SET {

/** The place of a row of draws: element u takes word u mod 4 of the counter (step, sequence, t, ⌊u / 4⌋). */
struct MaskPlace {
  uint32_t seed, purpose_word, step, sequence, t;
};

/** out[i] ← `hit` where the draw of element `first` + i is below `rate`, else `miss`; `first` is a multiple of 4. */
void draw_mask(const MaskPlace& place, double rate, float hit, float miss, int count, float* out, int first = 0);

/** Numbers of `randomPurposes` in philox.ts. */
enum class MaskPurpose : uint32_t { zoneout_hidden = 7, zoneout_cell = 8, recurrent_dropout = 9 };

/**
 * What zoneout and recurrent dropout multiply by, [N, H padded] each; null where a layer has none. `hidden` and `cell` are how much of the old
 * value stays: 0 or 1 in training, the rate at inference.
 */
struct Masks {
  const LayerOptions* options;
  const MaskKey* key;
  int padded;
  float* hidden;
  float* cell;
  float* candidate;

  bool drawn() const { return key->training && (hidden != nullptr || cell != nullptr || candidate != nullptr); }
  /** Draws those of the sequences start … start + rows − 1 at step t of the call. */
  void draw(int t, int start, int rows) const;
};

Masks prepare_masks(const Context& context, const LayerOptions& options, const MaskKey& key, int N, const Gates& gates);

}  // namespace UNFOLD_SET
}  // namespace unfold
