/* Orthonormal Hadamard transforms of weights, in double precision.
 *
 * The matrix of size n = m * 2^k is H_m (x) S, m the smallest of 1, 12, 20 and 28 that fits, S Sylvester's
 * of order 2^k: the one of mamba_hadamard in kernels/, which transforms activations. */
#ifndef MAMBA_HADAMARD_H
#define MAMBA_HADAMARD_H

#include "mamba/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Whether there is a matrix of this size: 2^k times 1, 12, 20, 28 or 40. */
bool mambaHadamardIsSupported(int64_t size);

/* Multiplies along the middle axis of data [outer, size, inner], in place: each vector v of `size` elements
 * becomes H v / sqrt(size), or H^T v / sqrt(size) with `transpose`, which is the inverse. So outer = rows,
 * inner = 1 gives W H^T / sqrt(size) for the rows of W; outer = 1, inner = columns gives H W / sqrt(size).
 * Exact for integers below 2^53 / size when size is 4^k. MAMBA_UNSUPPORTED for any other size, and data is
 * untouched. */
MAMBA_MUST_CHECK MambaStatus mambaHadamardTransform(double *data, int64_t outer, int64_t size, int64_t inner,
                                                    bool transpose, MambaError *error);

#ifdef __cplusplus
}
#endif
#endif
