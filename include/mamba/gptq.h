/* Weights in 4 bits by GPTQ (Frantar, Ashkboos, Hoefler, Alistarh, arXiv 2210.17323, algorithm 1), in the
 * format of kernels/pack_i4.h: w[n, k] ~ q * group_scale * scale[n], an integer scale for each group of
 * columns and a float for each row.
 *
 * The columns of a row are rounded one after the other, and what one loses is made up for by those that are
 * still floats, so that the error of the products with the rows x that calibration saw is small. A group's
 * scale is the one of least squared error when its turn comes. All arithmetic is f64 in a fixed order. */
#ifndef MAMBA_GPTQ_H
#define MAMBA_GPTQ_H

#include "mamba/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Makes what mambaGptqQuantize needs of the sum of x x^T, [columns, columns], in place. `damp` times the mean
 * of the diagonal is added to the diagonal first; a sum that is all zeros counts as the identity.
 * MAMBA_INVALID where the sum has a NaN or an infinity, or is not positive definite in f64: a larger damp
 * helps. */
MAMBA_MUST_CHECK MambaStatus mambaGptqFactor(double *sum, int64_t columns, double damp, MambaError *error);

/* Quantizes `rows` rows of w, [rows, columns], which it uses up. factor: of mambaGptqFactor, or NULL for
 * rounding to the nearest. q: [rows, columns] in [-8, 7]; group_scales: [rows, columns / group] in [1, 15];
 * scales: [rows]. group divides columns. Rows do not depend on each other; a few together read the factor
 * once. */
void mambaGptqQuantize(const double *factor, double *w, int64_t rows, int64_t columns, int64_t group,
                       int8_t *q, int8_t *group_scales, float *scales);

#ifdef __cplusplus
}
#endif
#endif
