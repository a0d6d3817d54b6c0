/* The kernels of mamba_kernels.h on an NVIDIA GPU of compute capability 8.0 or later: the same contract,
 * the same bytes (NaN excepted: which NaN an operation gives is the machine's choice).
 *
 * Conventions, beyond those of mamba_kernels.h
 *   pointers  all data, scales[] and inv_scales[] are in device memory; scale and inv_scale are values.
 *   stream    a function checks its arguments, puts kernels into `stream` and returns at once. The result
 *             is cudaErrorInvalidValue for arguments that the kernel cannot take, or what the launch gave.
 *             Everything may be captured in a CUDA graph.
 *   weights   parameters (w, table, multiplier, bias, gamma, a, d_skip, the scales of channels) are read
 *             before the kernels launched ahead in the stream have ended (where the GPU has dependent launch,
 *             see launch.h), so no kernel in flight may be writing them: load them, synchronize, then run.
 * The same holds for the states of mamba_cuda_layer_in and _scan: between two tokens of a sequence there is
 * mamba_cuda_embedding, which waits for all before it, a copy or the end of a graph. All other buffers follow
 * the stream's order. rows = 0 (or batch, tokens = 0) does nothing. No function allocates memory or
 * synchronizes. */
#ifndef MAMBA_CUDA_H
#define MAMBA_CUDA_H

#include "../draw.h"
#include "../mamba_kernels.h"
#include "limits.h"

#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The most outputs that a kernel splits its result into. */
enum { MAMBA_CUDA_MAX_OUTPUTS = 4 };

cudaError_t mamba_cuda_embedding(const int32_t *ids, const void *table, mamba_type type, int32_t rows,
                                 int32_t d, float *out, cudaStream_t stream);

cudaError_t mamba_cuda_rms_norm(const float *x, const float *delta, float *sum, const float *gamma,
                                float epsilon, int32_t rows, int32_t d, mamba_output out, float *row_scale,
                                cudaStream_t stream);

/* w is row-major, [n, k], for decode and prefill alike. Whole 16-byte loads are used where k % 16 == 0 and x
 * and w are aligned to 16 bytes; any other k works, slowly. */
cudaError_t mamba_cuda_linear_i8(const int8_t *x, const float *row_scale, const int8_t *w,
                                 const float *multiplier, const float *bias, int32_t rows, int32_t k,
                                 int32_t n, const mamba_output *outputs, int32_t output_count,
                                 cudaStream_t stream);

/* Fast where k % 16 == 0 and x and w are aligned to 16 bytes; one row where k % 64 == 0 and k <= 8192 too. */
cudaError_t mamba_cuda_linear_float(const float *x, const void *w, mamba_type type, const float *bias,
                                    int32_t rows, int32_t k, int32_t n, float *out, cudaStream_t stream);

cudaError_t mamba_cuda_conv1d(mamba_input x, const void *w, mamba_type w_type, const float *multiplier,
                              const float *bias, bool apply_silu, void *state, int32_t batch, int32_t tokens,
                              int32_t d, int32_t width, const mamba_output *outputs, int32_t output_count,
                              cudaStream_t stream);

cudaError_t mamba_cuda_selective_scan(mamba_input u, mamba_input dt, bool apply_softplus, const float *a,
                                      mamba_input b, mamba_input c, const float *d_skip, mamba_input z,
                                      float *state, int32_t batch, int32_t tokens, int32_t d, int32_t n,
                                      mamba_output out, cudaStream_t stream);

/* A row is held in shared memory, so d is limited by it: at least 24000 on every supported GPU. */
cudaError_t mamba_cuda_hadamard(const float *x, bool transpose, int32_t rows, int32_t d, mamba_output out,
                                float *row_scale, cudaStream_t stream);

cudaError_t mamba_cuda_quantize(mamba_input x, int32_t rows, int32_t d, mamba_output out, float *row_scale,
                                cudaStream_t stream);

/* ids[row] = the id of the largest of logits[row, 0 .. n), the smallest such id; greedy sampling. A NaN is
 * never the largest; a row of nothing else gives 0. n >= 1; best: [rows]. */
cudaError_t mamba_cuda_argmax(const float *logits, int32_t rows, int32_t n, mamba_cuda_best *best,
                              int32_t *ids, cudaStream_t stream);

/* ids[row] = the id drawn from logits[row, 0 .. n) as draws[row] says: mamba_draw_token of bundle/sampling.h.
 * 1 <= n <= 2^MAMBA_DRAW_ID_BITS. */
cudaError_t mamba_cuda_draw(const float *logits, int32_t rows, int32_t n, const mamba_draw *draws,
                            int32_t *ids, cudaStream_t stream);

/* mamba_kernels_check_contract for the current device: sets *broken to NULL, or to what a compiler option
 * spoils. This one allocates and waits. */
cudaError_t mamba_cuda_check_contract(const char **broken);

/* Decode in three kernels a layer, or six where there are several rows. One token of each of `rows` sequences
 * passes a layer (norm, in_proj, conv1d, x_proj, dt_proj, scan, Hadamard transform, out_proj, residual
 * addition) with the bytes of the single kernels above: blocks exchange nothing but stored values and integer
 * sums, whose order is free.
 *
 *   mamba_cuda_layer_in     rms_norm of the residual, in_proj, conv1d with SiLU, and each block's share of
 *                           x_proj's integer sums, added to `sums`; updates conv_state
 *   mamba_cuda_layer_scan   x_proj's results from `sums`, dt_proj, selective_scan with softplus, D and gate;
 *                           updates ssm_state
 *   mamba_cuda_layer_out    hadamard (where `rotate`), quantization, out_proj, and residual = residual + its
 *                           result (what the next norm's `delta` was); clears `sums` for the next layer
 *
 *   mamba_cuda_layer_end    after the last layer: residual = residual + its result, where there are several
 * rows
 *
 * Call them in this order, layer after layer, in one stream. Kernels read states before those in front of
 * them have ended: no two layers share states, and a token begins with mamba_cuda_embedding, which starts
 * behind everything. The next norm then has no delta. With several rows layer_out leaves integer sums, which
 * nobody waits for, in `out_sums`, and the next layer_in, which is told of them by `before`, or layer_end
 * adds the result to the residual and clears them. */

/* A tensor between two of the layer's steps: how it is stored, and what the one writing and the one reading
 * it multiply by, as in mamba_output and mamba_input. */
typedef struct mamba_cuda_tensor {
  void *data; /* or NULL where a comment below says that it is not stored */
  mamba_type type;
  float scale, inv_scale;           /* I8 only */
  const float *scales, *inv_scales; /* per channel, or NULL */
} mamba_cuda_tensor;

/* As in mamba_cuda_linear_i8. 16-byte aligned. */
typedef struct mamba_cuda_matrix {
  const int8_t *w;                /* [n, k] */
  const float *multiplier, *bias; /* [n]; bias may be NULL */
} mamba_cuda_matrix;

typedef struct mamba_cuda_layer {
  int32_t d, inner, rank; /* widths of the residual, of the mixer, of dt; see mamba_cuda_layer_problem */
  float *residual;        /* [rows, d] */

  const float *gamma; /* [d] or NULL */
  float epsilon;
  mamba_cuda_tensor in; /* I8, [rows, d]; stored where there are several rows, in blocks (row_product.cuh),
                         * as are u_i8, rotated, and y where it is I8 */
  bool in_per_row;      /* its scale is found at run time, */
  float *in_scale;      /* [rows], and stored where there are several */

  mamba_cuda_matrix in_proj; /* [2 inner, d]: the rows of x, then those of z */
  mamba_cuda_tensor x;       /* I8, F16 or F32, as z and u; kept in conv_state only */
  mamba_cuda_tensor z;       /* [rows, inner] */

  const void *conv_w; /* [4, inner]; I8 where x is, else F32 */
  mamba_type conv_w_type;
  const float *conv_multiplier; /* [inner], for integers; else NULL */
  const float *conv_bias;       /* [inner] or NULL */
  bool conv_silu;
  void *conv_state;    /* [rows, 3, inner] of x's type */
  mamba_cuda_tensor u; /* [rows, inner]: the convolution's result as the scan reads it */
  mamba_cuda_tensor
      u_i8; /* I8, [rows, inner]: as x_proj reads it; often the same scales; stored for several rows */

  mamba_cuda_matrix x_proj;   /* [rank + 32, inner]: the rows of dt, B, C */
  int32_t *sums;              /* [rows, rank + 32]; zero before the first layer and after each */
  mamba_cuda_tensor dt, b, c; /* not stored; dt: I8; B and C: I8, F16 or F32 */
  mamba_cuda_matrix dt_proj;  /* [inner, rank]; its result is F32, not stored */

  bool softplus;
  const float *a;      /* [16, inner] */
  const float *d_skip; /* [inner] or NULL */
  float *ssm_state;    /* [rows, 16, inner] */
  mamba_cuda_tensor y; /* [rows, inner]; F32 where `rotate` (a scratch: partly transformed), else I8 */

  bool rotate, transpose;     /* a Hadamard transform of y, and whether by the transposed matrix */
  mamba_cuda_tensor rotated;  /* I8, [rows, inner]; only where `rotate`; stored for several rows */
  bool rotated_per_row;       /* its scale is found at run time */
  mamba_cuda_matrix out_proj; /* [d, inner]; its result is F32, not stored */

  /* For several rows only, where factors are 16-byte aligned, too. */
  int32_t *out_sums;        /* [rows, d]; zero before the first layer and after layer_end */
  float *out_scale;         /* [rows]: the scales of `rotated`, until the next layer_in or layer_end */
  mamba_cuda_matrix before; /* the previous layer's out_proj; multiplier NULL in the first layer */
  bool before_per_row;      /* its input had a scale for each row */
} mamba_cuda_layer;

/* NULL where the three kernels take this layer, else one sentence that says why not: then the single kernels
 * have to be used, and the three return cudaErrorNotSupported. Needs no device. They want 1 <= rows <=
 * MAMBA_CUDA_LAYER_ROWS, the sizes of limits.h, the types above, and w at multiples of 16 bytes. */
const char *mamba_cuda_layer_problem(const mamba_cuda_layer *layer, int32_t rows);

cudaError_t mamba_cuda_layer_in(const mamba_cuda_layer *layer, int32_t rows, cudaStream_t stream);
cudaError_t mamba_cuda_layer_scan(const mamba_cuda_layer *layer, int32_t rows, cudaStream_t stream);
cudaError_t mamba_cuda_layer_out(const mamba_cuda_layer *layer, int32_t rows, cudaStream_t stream);
cudaError_t mamba_cuda_layer_end(const mamba_cuda_layer *layer, int32_t rows, cudaStream_t stream);

/* The same for all layers of one token at once: a persistent kernel, whose blocks hand each other
 * values without a barrier, and whose next weights are on their way while they wait. It wants
 * the layers to be alike in sizes, types and transforms, and a GPU that can run all blocks at the same time.
 *
 * *problem: NULL where it can, else one sentence; the environment variable MAMBA_CUDA_PERSISTENT=0 is a
 * problem, too. Needs the device. */
cudaError_t mamba_cuda_decode_problem(const mamba_cuda_layer *layers, int32_t count, const char **problem);

/* layers: [count] in the host's memory; table: the same in the device's; words: mambaCudaExchangeBytes of the
 * device's memory, 16-byte aligned, zero before the first call with these layers and nobody else's.
 * cudaErrorNotSupported where there is a problem. */
cudaError_t mamba_cuda_decode(const mamba_cuda_layer *layers, int32_t count, const mamba_cuda_layer *table,
                              uint64_t *words, cudaStream_t stream);

#ifdef __cplusplus
}
#endif
#endif
