#include "masks.h"

namespace unfold {
namespace UNFOLD_SET {
namespace {

/** Counters that are drawn side by side. */
constexpr int kDraws = 16;

/** words[i][lane]: word i of counter `first` + lane. The loops over lanes are plain: the compiler makes vectors of them. */
void philox(const MaskPlace& place, uint32_t first, uint32_t (&words)[4][kDraws]) {
  for (int lane = 0; lane < kDraws; lane++) {
    words[0][lane] = place.step;
    words[1][lane] = place.sequence;
    words[2][lane] = place.t;
    words[3][lane] = first + static_cast<uint32_t>(lane);
  }
  uint32_t key0 = place.seed;
  uint32_t key1 = place.purpose_word;
  for (int round = 0; round < 10; round++) {
    for (int lane = 0; lane < kDraws; lane++) {
      const uint64_t low = uint64_t{0xd2511f53u} * words[0][lane];
      const uint64_t high = uint64_t{0xcd9e8d57u} * words[2][lane];
      words[0][lane] = static_cast<uint32_t>(high >> 32) ^ words[1][lane] ^ key0;
      words[1][lane] = static_cast<uint32_t>(high);
      words[2][lane] = static_cast<uint32_t>(low >> 32) ^ words[3][lane] ^ key1;
      words[3][lane] = static_cast<uint32_t>(low);
    }
    key0 += 0x9e3779b9u;
    key1 += 0xbb67ae85u;
  }
}

void fill(float value, size_t count, float* out) {
  for (size_t i = 0; i < count; i++) out[i] = value;
}

}  // namespace

void draw_mask(const MaskPlace& place, double rate, float hit, float miss, int count, float* out, int first) {
  // A draw is its upper 24 bits / 2²⁴, so that it is below the rate where these bits are below rate · 2²⁴.
  const double bound = rate * 0x1p24;
  uint32_t limit = static_cast<uint32_t>(bound);
  if (limit < bound) limit++;
  uint32_t words[4][kDraws];
  float block[4 * kDraws];
  for (int u = 0; u < count; u += 4 * kDraws) {
    philox(place, static_cast<uint32_t>((first + u) / 4), words);
    // Whole blocks, whose bounds the compiler knows: it makes vectors of them.
    for (int lane = 0; lane < kDraws; lane++)
      for (int word = 0; word < 4; word++) block[4 * lane + word] = (words[word][lane] >> 8) < limit ? hit : miss;
    const int left = lesser(4 * kDraws, count - u);
    for (int i = 0; i < left; i++) out[u + i] = block[i];
  }
}

void Masks::draw(int t, int start, int rows) const {
  const auto row_of = [&](MaskPurpose purpose, ptrdiff_t n, double rate, float hit, float miss, float* mask) {
    if (mask == nullptr) return;
    const uint32_t sequence = key->sequences == nullptr ? static_cast<uint32_t>(n) : static_cast<uint32_t>(key->sequences[n]);
    const uint32_t word = static_cast<uint32_t>(purpose) * 65536u + key->layer;
    const MaskPlace place{key->seed, word, key->step, sequence, key->first_step + static_cast<uint32_t>(t)};
    draw_mask(place, rate, hit, miss, padded, mask + n * padded);
  };
  const float kept = static_cast<float>(1.0 / (1.0 - options->recurrent_dropout));
  for (ptrdiff_t n = start; n < start + rows; n++) {
    row_of(MaskPurpose::zoneout_hidden, n, options->zoneout_hidden, 1.0f, 0.0f, hidden);
    row_of(MaskPurpose::zoneout_cell, n, options->zoneout_cell, 1.0f, 0.0f, cell);
    row_of(MaskPurpose::recurrent_dropout, n, options->recurrent_dropout, 0.0f, kept, candidate);
  }
}

Masks prepare_masks(const Context& context, const LayerOptions& options, const MaskKey& key, int N, const Gates& gates) {
  Masks masks{&options, &key, gates.padded(), nullptr, nullptr, nullptr};
  const bool wanted[] = {options.zoneout_hidden > 0, options.zoneout_cell > 0, options.recurrent_dropout > 0 && key.training};
  const size_t size = static_cast<size_t>(N) * gates.padded();
  const int count = wanted[0] + wanted[1] + wanted[2];
  if (count == 0) return masks;
  float* room = context.scratch.floats(Scratch::masks, size * count);
  float** const fields[] = {&masks.hidden, &masks.cell, &masks.candidate};
  for (int i = 0; i < 3; i++) {
    if (!wanted[i]) continue;
    *fields[i] = room;
    room += size;
  }
  if (!key.training && masks.hidden != nullptr) fill(static_cast<float>(options.zoneout_hidden), size, masks.hidden);
  if (!key.training && masks.cell != nullptr) fill(static_cast<float>(options.zoneout_cell), size, masks.cell);
  return masks;
}

}  // namespace UNFOLD_SET
}  // namespace unfold
