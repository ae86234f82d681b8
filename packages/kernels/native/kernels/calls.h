/**
 * What the kernels are told: plain structures of sizes and pointers, the same for every instruction set. TypeScript has checked
 * shapes, types, tokens and aliases, and owns the memory; nothing here allocates but `Scratch`.
 *
 * Dimension letters as in the Backend interface: T steps, N sequences, C input size, H hidden size, V outputs.
 */
#pragma once

#include <cstddef>
#include <cstdint>

/**
 * Inlined in any case. What all instruction sets share must have no function of its own that the linker could take from a set which this
 * processor cannot run.
 */
#define UNFOLD_INLINE inline __attribute__((always_inline))

namespace unfold {

class Pool;
class Scratch;
struct DotTiles;

/** What every call may use beside its tensors. */
struct Context {
  Pool& pool;
  Scratch& scratch;
  /** Products in bfloat16 by these tiles; null: in float32. */
  const DotTiles* dots;
};

enum class CellKind : int { elman, gru, lstm };

/** φ of an Elman layer, or what squashes an LSTM's candidate. */
enum class Activation : int { tanh, relu, sigmoid, softsign };

enum class Use : int { weight_ih, weight_hh, recurrent_bias, dense };

/** A parameter that is not stored as PyTorch stores it. */
struct Role {
  Use use;
  /** Recurrent uses only. */
  CellKind cell;
  /** weight_ih: whether the layer reads tokens. */
  bool tokens;
  /** Columns of the plain matrix: C, H, or a dense layer's inputs. */
  int inputs;
  /** H, or a dense layer's outputs. */
  int outputs;
};

/** output [M,P] = op(a) [M,K] · op(b) [K,P] + bias, or added to `output`; all plain, row-major. */
struct ProductCall {
  /** [M,K]; where it is transposed it stands as [K,M], and b as [P,K]. */
  const float* a;
  const float* b;
  const float* bias;
  float* output;
  int M, K, P;
  bool transpose_a, transpose_b, accumulate;
};

struct DenseCall {
  /** How many rows the leading dimensions of `input` make. */
  int rows, inputs, outputs;
  const float* input;
  const float* weight;
  /** Whether `weight` and `d_weight` are plain [outputs, inputs], as an embedding's table is. */
  bool plain_weight;
  const float* bias;
  float* output;
  const float* d_output;
  float* d_input;
  float* d_weight;
  float* d_bias;
};

struct RecurrentSizes {
  CellKind cell;
  bool tokens;
  int T, N, C, H;
};

enum class Norm : int { none, layer, batch };

/** See the Backend interface; a plain layer's by default. */
struct LayerOptions {
  Activation activation;
  bool peephole;
  /** false: an Elman layer without W and b_hh. */
  bool recurrent;
  double zoneout_hidden, zoneout_cell, recurrent_dropout;
  /** GRU: the reset before the product. */
  bool reset_before;
  Norm norm;

  /** Whether an LSTM or a GRU needs more than the plain cell. */
  UNFOLD_INLINE bool gated() const {
    return peephole || activation != Activation::tanh || zoneout_hidden > 0 || zoneout_cell > 0 || recurrent_dropout > 0;
  }
  /** Whether a step's products must be complete before its cells are computed. */
  UNFOLD_INLINE bool staged() const { return norm != Norm::none || reset_before; }
};

/** Running moments of batch normalisation as PyTorch would store them: see `NormStatistics`. */
struct StatisticsCall {
  /** How many time steps have their own; 0: the layer has none. */
  int steps;
  /** [steps, columns]. */
  float* mean;
  float* variance;
  /** [steps]. */
  float* batches;
  /** t of each row, [N]; null: that of the step. */
  const int32_t* positions;
};

/** Where the masks of a training pass are drawn. */
struct MaskKey {
  /** false: inference, with expectations in the place of masks. */
  bool training;
  uint32_t seed, step, layer, first_step;
  /** [N]; null: row n is sequence n. */
  const int32_t* sequences;
};

struct RecurrentWeights {
  const float* ih;
  /** null, as bias_hh, where the layer is not recurrent. */
  const float* hh;
  const float* bias_ih;
  const float* bias_hh;
  /** All of these as PyTorch would store them. [3,H] of i, f, o; null: none. */
  const float* peephole;
  /** [G·H] and [H]; null where nothing is normalised. */
  const float* gain_ih;
  const float* gain_hh;
  const float* gain_cell;
  const float* bias_cell;
};

/** What a forward pass leaves for its backward pass, in a layout of our own; all null where none will follow. */
struct SavedCall {
  /** [T, N, gate columns]. */
  float* gates;
  /** [T+1, N, H padded], LSTM only. */
  float* cells;
  /** h_0, [N,H]. */
  float* first;
  /** What staged layers keep besides, see staged.h. */
  float* extra;
};

struct ForwardCall {
  RecurrentSizes sizes;
  LayerOptions options;
  MaskKey key;
  RecurrentWeights weights;
  const float* input;
  const int32_t* tokens;
  /** [T, N, G·H] in PyTorch's gate order, added to the input's product; null: nothing is. */
  const float* injected;
  const float* h0;
  const float* c0;
  /** null: nobody wants the outputs, only the final state. */
  float* output;
  float* hT;
  float* cT;
  StatisticsCall statistics;
  /** Steps of each sequence, from 0 to T, [N]; null: all have T. */
  const int32_t* lengths;
  SavedCall saved;
};

struct BackwardCall {
  RecurrentSizes sizes;
  LayerOptions options;
  /** That of the forward pass. */
  MaskKey key;
  RecurrentWeights weights;
  const float* input;
  const int32_t* tokens;
  const float* output;
  /** Those of the forward pass. */
  const int32_t* lengths;
  SavedCall saved;
  const float* d_output;
  const float* dhT;
  const float* dcT;
  float* d_input;
  float* d_injected;
  float* dh0;
  float* dc0;
  /** Accumulate; null: frozen. */
  float* d_ih;
  float* d_hh;
  float* d_bias_ih;
  float* d_bias_hh;
  float* d_peephole;
  float* d_gain_ih;
  float* d_gain_hh;
  float* d_gain_cell;
  float* d_bias_cell;
};

struct LossCall {
  int rows, V;
  const float* logits;
  const int32_t* targets;
  double count;
  float* losses;
  float* d_logits;
  bool count_correct;
};

struct LossResult {
  double loss;
  double correct;
};

struct EmbeddingCall {
  int rows, V, C;
  const int32_t* tokens;
  const float* table;
  float* output;
  const float* d_output;
  float* d_table;
};

struct DropoutCall {
  int T, N, H;
  const float* input;
  float* output;
  const int32_t* sequences;
  double rate;
  uint32_t seed, purpose_word, step, first_step;
  /** One mask for all steps. */
  bool variational;
};

struct SgdCall {
  size_t count;
  float* parameter;
  const float* gradient;
  float* velocity;
  float weight_decay, learning_rate, momentum;
  bool nesterov;
};

struct AdamCall {
  size_t count;
  float* parameter;
  const float* gradient;
  float* first;
  float* second;
  float weight_decay, beta1, beta2, epsilon;
  /** 1 − β, which float32 could not form from β without losing its digits. */
  float rest1, rest2;
  /** Learning rate / (1 − β₁ᵗ) and 1 / √(1 − β₂ᵗ). */
  float rate, root;
};

/** One instruction set's kernels. */
struct KernelTable {
  const char* name;
  /** For products in bfloat16. */
  const DotTiles* dots;

  /** Elements of a packed parameter; and its conversion from and to PyTorch's row-major layout. */
  size_t (*packed_size)(const Role&);
  void (*pack)(const Role&, const float* plain, float* packed);
  void (*unpack)(const Role&, const float* packed, float* plain);
  /** Elements of `SavedCall::gates` per step and sequence, and of `SavedCall::cells`. */
  size_t (*gate_columns)(CellKind, int H);
  size_t (*cell_columns)(CellKind, int H);
  /** Elements of `SavedCall::extra`. */
  size_t (*extra_size)(const RecurrentSizes&, const LayerOptions&);

  void (*matmul)(const Context&, const ProductCall&);
  void (*dense_forward)(const Context&, const DenseCall&);
  void (*dense_backward)(const Context&, const DenseCall&);
  void (*embedding_forward)(const Context&, const EmbeddingCall&);
  void (*embedding_backward)(const Context&, const EmbeddingCall&);
  void (*recurrent_forward)(const Context&, const ForwardCall&);
  void (*recurrent_backward)(const Context&, const BackwardCall&);
  LossResult (*softmax_cross_entropy)(const Context&, const LossCall&);
  void (*log_softmax)(const Context&, int rows, int V, const float* logits, float* output);
  void (*dropout)(const Context&, const DropoutCall&);
  void (*sgd_step)(const Context&, const SgdCall&);
  void (*adam_step)(const Context&, const AdamCall&);
  double (*sum_of_squares)(const Context&, const float* x, size_t count);
  double (*count_non_finite)(const Context&, const float* x, size_t count);
  void (*clip)(const Context&, float* x, size_t count, float maximum);
  void (*scale)(const Context&, float* x, size_t count, float factor);
  void (*add)(const Context&, const float* source, float* target, size_t count, float factor);
  /** Multiply-adds per call of a loop that does nothing else, from registers: the ceiling that benchmarks are held against. */
  double (*ceiling)(const Context&, int64_t repetitions);
  /** Reads `count` floats `passes` times on the caller's thread and returns their sum: how fast weights can pass through one core. */
  double (*reading)(const Context&, size_t count, int passes);
};

extern const KernelTable baseline_kernels;
#if defined(__x86_64__)
extern const KernelTable avx2_kernels;
extern const KernelTable avx512_kernels;
#elif defined(__aarch64__)
extern const KernelTable neon_kernels;
#endif

}  // namespace unfold
