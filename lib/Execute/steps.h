/* A compiled program: a list of steps, each a call of a kernel with everything filled in but the number of
 * tokens. Buffers have fixed addresses as long as the program lives. */
#ifndef MAMBA_EXECUTE_STEPS_H
#define MAMBA_EXECUTE_STEPS_H

#include "elementwise.h"
#include "mamba_kernels.h"

/* One chunk of one run: `tokens` more tokens of each of `batch` sequences, [batch, tokens] in every buffer.
 * Of each sequence's the last `selected` get logits; they stand in buffers of [batch, selected]. */
typedef struct Frame {
  int32_t batch, tokens, selected;
  float *scratch;        /* of the Hadamard transform: a row per worker */
  float *logits;         /* where the first selected token of the first sequence goes */
  int64_t logits_stride; /* floats from one sequence's to the next one's */
} Frame;

/* Pointers are to f32 (or to f64 in a wide program) where a type is not given. */
typedef struct EmbeddingCall {
  const int32_t *ids;
  const void *table;
  mamba_type type;
  int32_t d;
  void *out;
} EmbeddingCall;

typedef struct NormCall {
  const void *x, *delta, *gamma;
  void *sum;
  float epsilon;
  int32_t d;
  mamba_output out;
  float *row_scale;
} NormCall;

typedef struct LinearCall {
  const void *x, *w, *bias;
  mamba_type type;
  int32_t k, n;
  void *out;
} LinearCall;

typedef struct LinearW8Call {
  const float *x;
  const void *w;
  int32_t group; /* of w in the layout of pack_i4.h; 0 for int8 */
  const float *multiplier, *bias;
  int32_t k, n;
  float *out;
} LinearW8Call;

typedef struct LinearI8Call {
  const int8_t *x;
  const void *w;
  bool packed;   /* w is in the layout of pack.h, */
  int32_t group; /* or of pack_i4.h when this is not 0 */
  const float *row_scale, *multiplier, *bias;
  int32_t k, n, output_count;
  mamba_output outputs[MAMBA_MAX_RESULTS];
} LinearI8Call;

typedef struct ConvCall {
  mamba_input x;
  const void *w, *multiplier, *bias;
  mamba_type w_type;
  bool apply_silu;
  void *state;
  int32_t d, width, output_count;
  mamba_output outputs[2];
} ConvCall;

typedef struct ScanCall {
  mamba_input u, dt, b, c, z;
  bool apply_softplus;
  const void *a, *d_skip;
  void *state;
  bool state_i8;
  int32_t d, n;
  mamba_output out;
} ScanCall;

typedef struct HadamardCall {
  const void *x;
  bool transpose;
  int32_t d;
  mamba_output out;
  float *row_scale;
} HadamardCall;

typedef struct QuantizeCall {
  mamba_input x;
  int32_t d;
  mamba_output out;
  float *row_scale;
} QuantizeCall;

/* An operand [rows, 1 or channels], or one row for all when row_bytes is 0. */
typedef struct ElementwiseOperand {
  const char *data;
  size_t row_bytes, element_bytes;
} ElementwiseOperand;

typedef struct ElementwiseCall {
  MambaElementwise what;
  ElementwiseOperand a, b;
  char *out;
  size_t out_bytes; /* of an element */
  int64_t channels;
} ElementwiseCall;

typedef struct AbsmaxCall {
  const char *x;
  char *scale;
  MambaElement element;
  bool wide;
  int64_t channels;
} AbsmaxCall;

/* Copies `bytes` of every row. */
typedef struct CopyCall {
  const char *from;
  char *to;
  size_t from_stride, to_stride, bytes;
} CopyCall;

typedef struct StoreCall {
  const void *from;
  bool wide;
  bool from_selected; /* `from` holds the selected tokens only */
  int64_t channels;
} StoreCall;

enum { MAX_OBSERVED = MAMBA_MAX_RESULTS };

typedef struct Step Step;
/* Called by every worker of the pool; the frame's `tokens` is the number of rows per sequence of this step.
 */
typedef void StepFunction(const Step *step, const Frame *frame, mamba_worker worker);

/* Bytes of a mapped file. */
typedef struct MappedBytes {
  const void *data;
  size_t bytes;
} MappedBytes;

struct Step {
  StepFunction *run;
  bool selected;           /* works on the selected tokens */
  int slots[MAX_OBSERVED]; /* of the values that it computes */
  int slot_count;
  MappedBytes leaving[MAMBA_MAX_OPERANDS]; /* weights that leave memory when it has run */
  int leaving_count;
  union {
    EmbeddingCall embedding;
    NormCall norm;
    LinearCall linear;
    LinearI8Call linear_i8;
    LinearW8Call linear_w8;
    ConvCall conv;
    ScanCall scan;
    HadamardCall hadamard;
    QuantizeCall quantize;
    ElementwiseCall elementwise;
    AbsmaxCall absmax;
    CopyCall copy;
    StoreCall store;
  } call;
};

StepFunction mambaStepEmbedding, mambaStepNorm, mambaStepLinear, mambaStepLinearI8, mambaStepLinearW8,
    mambaStepConv, mambaStepScan, mambaStepHadamard, mambaStepQuantize;
/* In f64, plainly. */
StepFunction mambaStepEmbeddingWide, mambaStepNormWide, mambaStepLinearWide, mambaStepConvWide,
    mambaStepScanWide, mambaStepHadamardWide;
/* Either. */
StepFunction mambaStepElementwise, mambaStepAbsmax, mambaStepSlice, mambaStepSelect, mambaStepStore;

/* A worker's share [*begin, *end) of n items. */
static inline void mambaShare(int64_t n, mamba_worker worker, int64_t *begin, int64_t *end) {
  *begin = n * worker.index / worker.count;
  *end = n * (worker.index + 1) / worker.count;
}

#endif
