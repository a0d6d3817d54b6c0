/* The kernels of mamba_kernels.h on an NVIDIA GPU of compute capability 8.0 or later: the same contract,
 * the same bytes (NaN excepted: which NaN an operation gives is the machine's choice).
 *
 * Conventions, beyond those of mamba_kernels.h
 *   pointers  all data, scales[] and inv_scales[] are in device memory; scale and inv_scale are values.
 *   stream    a function checks its arguments, puts kernels into `stream` and returns at once. The result
 *             is cudaErrorInvalidValue for arguments that the kernel cannot take, or what the launch gave.
 *             Everything may be captured in a CUDA graph.
 *   weights   w, table and a are read before the kernels launched ahead in the stream have ended (where the
 *             GPU has dependent launch, see launch.h), so no kernel in flight may be writing them: load them,
 *             synchronize, then run. All other buffers follow the stream's order.
 *   rows = 0  (or batch, tokens = 0) does nothing.
 * No function allocates memory or synchronizes. */
#ifndef MAMBA_CUDA_H
#define MAMBA_CUDA_H

#include "../mamba_kernels.h"

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

/* Fast where k % 16 == 0 and x and w are aligned to 16 bytes. */
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
 * never the largest; a row of nothing else gives 0. n >= 1. */
cudaError_t mamba_cuda_argmax(const float *logits, int32_t rows, int32_t n, int32_t *ids,
                              cudaStream_t stream);

#ifdef __cplusplus
}
#endif
#endif
