/* The kernels that a level-3 program calls: one function per op of the dialect.
 *
 * These declarations are the numerics contract in C (docs/numerics.md states it in words). Every
 * implementation of a kernel, on every instruction set and with any number of workers, gives the
 * same bytes as the portable one.
 *
 * Conventions
 *   rows      number of token rows, batch * tokens; the tokens of one sequence are adjacent.
 *   layout    row-major, channels last: element (row, c) of an [rows, d] buffer is data[row * d + c].
 *   values    an integer value q stands for q * scale; symmetric, no zero point, q in [-127, 127].
 *   quantize  q = clamp(rne(v * inv_scale), -127, 127), rne = round to nearest, ties to even.
 *   worker    every kernel is called by all workers of a pool with the same arguments; each does its
 *             share. The caller puts a barrier between two kernels that depend on each other.
 *   memory    no kernel allocates. Outputs do not overlap inputs unless a comment allows it.
 *   sums      a sum over k of float products has 16 interleaved partial sums, p[k % 16] =
 *             fmaf(a[k], b[k], p[k % 16]) in increasing k from +0, folded as p[i] += p[i + 8], then
 *             + 4, + 2, + 1; mamba_rms_norm has one of its own. Integer accumulators are int32 and exact. */
#ifndef MAMBA_KERNELS_H
#define MAMBA_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum mamba_type { MAMBA_I8, MAMBA_F16, MAMBA_BF16, MAMBA_F32 } mamba_type;

/* Worker `index` of `count`: does the items [n * index / count, n * (index + 1) / count) of n. */
typedef struct mamba_worker {
  int index, count;
} mamba_worker;

/* A tensor that a kernel reads. For I8 the value is q * scale, or q * scales[c] when scales is set. */
typedef struct mamba_input {
  const void *data;
  mamba_type type;
  float scale;
  const float *scales; /* [channels] or NULL */
} mamba_input;

/* A tensor that a kernel writes. For I8 the kernel multiplies by inv_scale, or by inv_scales[c].
 * F16 is rounded to nearest even; F32 is stored as it is. */
typedef struct mamba_output {
  void *data;
  mamba_type type; /* I8, F16 or F32 */
  int32_t channels;
  float inv_scale;
  const float *inv_scales; /* [channels] or NULL */
} mamba_output;

/* out[row, :] = table[ids[row], :], widened exactly. ids are in [0, vocabulary): the caller checked.
 * table: [vocabulary, d] of F32, F16 or BF16. out: [rows, d] float. */
void mamba_embedding(const int32_t *ids, const void *table, mamba_type type, int32_t rows, int32_t d,
                     float *out, mamba_worker worker);

/* Root-mean-square normalisation with an optional residual addition before it and an optional
 * quantization after it (Zhang and Sennrich 2019, equation 4):
 *   s = x + delta (when delta), stored in sum;  r = 1 / sqrt(squares * (1 / d) + epsilon)
 *   t_k = s_k * gamma_k (s_k without gamma);    v_k = t_k * r;    out = v or quantize(v)
 * with 1 / d rounded to a float, and squares the sum of s_k^2 in this order, s_k being +0 for k >= d:
 *   q[i] = fmaf(s[4i + 2], s[4i + 2], s[4i] * s[4i]) + fmaf(s[4i + 3], s[4i + 3], s[4i + 1] * s[4i + 1])
 *   32 adjacent q are a block, of 128 values: q[i] += q[i + 16] for i < 16, then + 8, + 4, + 2, + 1
 *   p[j % 4] += q[0] of block j, in increasing j from +0;    squares = (p[0] + p[2]) + (p[1] + p[3])
 * x, delta, sum: [rows, d]; delta and sum are both NULL or both set; sum may be x.
 * When row_scale is set, out is I8 with a scale per row found at run time (see mamba_quantize); the largest
 * |v_k| is r times the largest |t_k|, and 0 where that is NaN: rounding keeps order. */
void mamba_rms_norm(const float *x, const float *delta, float *sum, const float *gamma, float epsilon,
                    int32_t rows, int32_t d, mamba_output out, float *row_scale, mamba_worker worker);

/* out = x w^T in integers. acc = sum_k x[row, k] * w[n, k] in int32; v = (float)acc * multiplier[n];
 * v = v * row_scale[row] (when row_scale); v = v + bias[n] (when bias); each output takes the next
 * `channels` columns n, as they are or quantized. The outputs' channels add up to n.
 * x: [rows, k] I8; w: [n, k] I8; multiplier, bias: [n]; k <= MAMBA_LINEAR_I8_MAX_K, so that acc cannot
 * overflow: 127^2 k < 2^31. */
enum { MAMBA_LINEAR_I8_MAX_K = 133144 };
void mamba_linear_i8(const int8_t *x, const float *row_scale, const int8_t *w, const float *multiplier,
                     const float *bias, int32_t rows, int32_t k, int32_t n, const mamba_output *outputs,
                     int32_t output_count, mamba_worker worker);

/* mamba_linear_i8 with w in the layout of mamba_pack_i8 (pack.h), which every instruction set reads from
 * begin to end. packed is at a multiple of 64. */
void mamba_linear_i8_packed(const int8_t *x, const float *row_scale, const void *packed,
                            const float *multiplier, const float *bias, int32_t rows, int32_t k, int32_t n,
                            const mamba_output *outputs, int32_t output_count, mamba_worker worker);

/* out = x w^T (+ bias) in f32 with the sum of the contract. x: [rows, k] f32; w: [n, k] of F32, F16 or
 * BF16, widened exactly; out: [rows, n] f32. */
void mamba_linear_float(const float *x, const void *w, mamba_type type, const float *bias, int32_t rows,
                        int32_t k, int32_t n, float *out, mamba_worker worker);

/* mamba_linear_float with integer weights: v = the contract's sum over k of x[row, k] * w[n, k], w widened
 * exactly; v = v * multiplier[n]; v = v + bias[n] (when bias). w: [n, k] I8. */
void mamba_linear_w8(const float *x, const int8_t *w, const float *multiplier, const float *bias,
                     int32_t rows, int32_t k, int32_t n, float *out, mamba_worker worker);

/* The two products of weights in 4 bits: w[n, k] = q[n, k] * scale[n, k / group], integers of at most 127, in
 * the layouts of pack_i4.h, which say what k and group may be. mamba_linear_i4 is mamba_linear_i8 on that w,
 * from mamba_pack_i4_blocks; mamba_linear_w4 is mamba_linear_w8 on it, from mamba_pack_i4_rows. */
void mamba_linear_i4(const int8_t *x, const float *row_scale, const void *packed, const float *multiplier,
                     const float *bias, int32_t rows, int32_t k, int32_t group, int32_t n,
                     const mamba_output *outputs, int32_t output_count, mamba_worker worker);
void mamba_linear_w4(const float *x, const void *packed, const float *multiplier, const float *bias,
                     int32_t rows, int32_t k, int32_t group, int32_t n, float *out, mamba_worker worker);

/* Causal depthwise convolution over time, then SiLU (apply_silu) and an optional quantization.
 *   integers (x and w are I8):  v = (float)sum_j w[j, c] * x[t - width + 1 + j, c] * multiplier[c]
 *   floats (otherwise):         v = fmaf over j in increasing order from +0, of w[j, c] and x's value
 *   v = v + bias[c] (when bias);  v = silu(v) (when apply_silu);  each output gets v or quantize(v).
 * x: [batch, tokens, d]; w: [width, d], I8 or F32; multiplier: [d] or NULL for floats; bias: [d] or NULL.
 * state: [batch, width - 1, d] of x's type, the inputs before this call, oldest first; updated.
 * outputs: one or two of d channels (the scan and x_proj may want different types). */
void mamba_conv1d(mamba_input x, const void *w, mamba_type w_type, const float *multiplier, const float *bias,
                  bool apply_silu, void *state, int32_t batch, int32_t tokens, int32_t d, int32_t width,
                  const mamba_output *outputs, int32_t output_count, mamba_worker worker);

/* The selective scan (Gu and Dao 2023, section 3, zero-order hold for A, Euler for B), sequential in
 * time, with softplus, the skip D and the gate z fused. Per channel c and step t:
 *   delta = softplus(dt) (when apply_softplus), else dt;  du = delta * u
 *   h[n] = fmaf(exp(delta * a[n, c]), h[n], du * B[t, n])
 *   y = the contract's sum over n of h[n] * C[t, n];  y = fmaf(D[c], u, y) (when D)
 *   y = y * silu(z) (when z.data)
 * u, z: [batch, tokens, d]; dt: the same, F32 or F16; a: [n, d], negative; B, C: [batch, tokens, n];
 * D: [d] or NULL; state: [batch, n, d] f32, updated; out: [batch, tokens, d]. n <= 256. */
void mamba_selective_scan(mamba_input u, mamba_input dt, bool apply_softplus, const float *a, mamba_input b,
                          mamba_input c, const float *d_skip, mamba_input z, float *state, int32_t batch,
                          int32_t tokens, int32_t d, int32_t n, mamba_output out, mamba_worker worker);

/* mamba_selective_scan with a state in int8 and a scale per channel that is found after each step:
 *   h[n] = fmaf(exp(delta * a[n, c]), (float)q[n] * s, du * B[t, n]);  y from these h as above
 *   s = max_n |h[n]| / 127, and 1 / s, as mamba_quantize finds them for a row
 *   v = clamp(h[n] * (1 / s), -127, 127)  (NaN: 127)
 *   q[n] = rne(v + ((bits + 0.5) / 256 - 0.5)), bits the last 8 of the float h[n]
 * so that a state is rounded up as often as it is close to the integer above: tokens that add little beside s
 * count, which they would not if the nearest integer were kept.
 * state: [batch, n + MAMBA_STATE_SCALE_ROWS, d] I8, updated: of each sequence the q and, in the rows behind
 * them, the bytes of the d floats s. */
enum { MAMBA_STATE_SCALE_ROWS = 4 };
void mamba_selective_scan_i8(mamba_input u, mamba_input dt, bool apply_softplus, const float *a,
                             mamba_input b, mamba_input c, const float *d_skip, mamba_input z, int8_t *state,
                             int32_t batch, int32_t tokens, int32_t d, int32_t n, mamba_output out,
                             mamba_worker worker);

/* out[row] = H x[row] / sqrt(d), or H^T x[row] / sqrt(d) (transpose), H = H_m (x) Sylvester_2^k with
 * d = m * 2^k, m in {1, 12, 20, 28} the smallest that fits (40 * 2^k is 20 * 2^(k + 1)). Butterflies of
 * stride 1, 2, 4, ... on the inner 2^k, then the sums of order m in increasing j, then one multiplication by
 * (float)(1 / sqrt(d)). scratch: [worker.count, d] floats. row_scale as in mamba_quantize. */
void mamba_hadamard(const float *x, bool transpose, int32_t rows, int32_t d, float *scratch, mamba_output out,
                    float *row_scale, mamba_worker worker);

/* Quantizes rows of f32 (or f16, see x.type; an I8 x is dequantized first). Without row_scale: out's own
 * scale. With row_scale: s = max_k |x_k| / 127, stored in row_scale[row], and inv_scale = 1 / s; a row with
 * s < 2^-100 is stored as zeros with s = 0. */
void mamba_quantize(mamba_input x, int32_t rows, int32_t d, mamba_output out, float *row_scale,
                    mamba_worker worker);

/* The instruction set whose code the kernels above run: "portable", "x86-64-v3", ... */
const char *mamba_kernels_instruction_set(void);

/* NULL when this build keeps the contract, else one sentence that says how the compiler broke it
 * (contraction, flush to zero, a rounding mode): programs call it once at start. */
const char *mamba_kernels_check_contract(void);

#ifdef __cplusplus
}
#endif
#endif
