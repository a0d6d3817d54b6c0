/* The kernels' contract as naive loops, written from the comments of kernels/mamba_kernels.h alone: one
 * value at a time, in the stated order. mamba_math.h's functions are shared; they have their own test. */
#ifndef MAMBA_TEST_REFERENCE_H
#define MAMBA_TEST_REFERENCE_H

#include "mamba_kernels.h"

void reference_embedding(const int32_t *ids, const void *table, mamba_type type, int32_t rows, int32_t d,
                         float *out);
void reference_rms_norm(const float *x, const float *delta, float *sum, const float *gamma, float epsilon,
                        int32_t rows, int32_t d, mamba_output out, float *row_scale);
void reference_linear_i8(const int8_t *x, const float *row_scale, const int8_t *w, const float *multiplier,
                         const float *bias, int32_t rows, int32_t k, int32_t n, const mamba_output *outputs,
                         int32_t output_count);
void reference_linear_float(const float *x, const void *w, mamba_type type, const float *bias, int32_t rows,
                            int32_t k, int32_t n, float *out);
void reference_linear_w8(const float *x, const int8_t *w, const float *multiplier, const float *bias,
                         int32_t rows, int32_t k, int32_t n, float *out);
void reference_conv1d(mamba_input x, const void *w, mamba_type w_type, const float *multiplier,
                      const float *bias, bool apply_silu, void *state, int32_t batch, int32_t tokens,
                      int32_t d, int32_t width, const mamba_output *outputs, int32_t output_count);
void reference_selective_scan(mamba_input u, mamba_input dt, bool apply_softplus, const float *a,
                              mamba_input b, mamba_input c, const float *d_skip, mamba_input z, float *state,
                              int32_t batch, int32_t tokens, int32_t d, int32_t n, mamba_output out);
/* n and d are at most 64. */
void reference_selective_scan_i8(mamba_input u, mamba_input dt, bool apply_softplus, const float *a,
                                 mamba_input b, mamba_input c, const float *d_skip, mamba_input z, int8_t *state,
                                 int32_t batch, int32_t tokens, int32_t d, int32_t n, mamba_output out);
/* `matrix` has +-1 at [i * order + j]: H_m, built by the test. scratch: 2 d floats. */
void reference_hadamard(const float *x, const int8_t *matrix, int32_t order, bool transpose, int32_t rows,
                        int32_t d, float *scratch, mamba_output out, float *row_scale);
void reference_quantize(mamba_input x, int32_t rows, int32_t d, mamba_output out, float *row_scale);

#endif
