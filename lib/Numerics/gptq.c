/* See mamba/gptq.h.
 *
 * The algorithm takes rows of U, upper triangular with (sum)^-1 = U^T U. With both axes reversed, sum = L L^T
 * is an ordinary Cholesky decomposition and L^-1 is U reversed: its rows are contiguous, and no inverse is
 * decomposed. So everything here is in reverse: element a of a row is column columns - 1 - a. */
#include "mamba/gptq.h"

#include "pack_i4.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST = -8, MOST = 7, LANES = 8 };

static void reverse(double *values, int64_t count) {
  for (int64_t i = 0; i < count / 2; i++) {
    const double value = values[i];
    values[i] = values[count - 1 - i];
    values[count - 1 - i] = value;
  }
}

/* In LANES partial sums, so that compilers use vectors. */
static double dot(const double *restrict a, const double *restrict b, int64_t count) {
  double lanes[LANES] = {0}, sum = 0;
  int64_t i = 0;
  for (; i + LANES <= count; i += LANES)
    for (int l = 0; l < LANES; l++)
      lanes[l] += a[i + l] * b[i + l];
  for (; i < count; i++)
    sum += a[i] * b[i];
  for (int l = 0; l < LANES; l++)
    sum += lanes[l];
  return sum;
}

/* to -= factor * from */
static void subtract(double *restrict to, double factor, const double *restrict from, int64_t count) {
  for (int64_t i = 0; i < count; i++)
    to[i] -= factor * from[i];
}

static MambaStatus addDamp(double *sum, int64_t n, double damp, MambaError *error) {
  double mean = 0;
  for (int64_t i = 0; i < n; i++)
    mean += sum[i * n + i] / (double)n;
  if (!isfinite(mean))
    return mambaFail(error, MAMBA_INVALID, "expected finite values in calibration, found infinities or NaNs");
  for (int64_t i = 0; i < n; i++)
    sum[i * n + i] += mean > 0 ? damp * mean : 1;
  return MAMBA_OK;
}

/* The lower triangle becomes L with sum = L L^T. */
static MambaStatus decompose(double *sum, int64_t n, MambaError *error) {
  for (int64_t i = 0; i < n; i++) {
    double *row = sum + i * n;
    for (int64_t j = 0; j < i; j++)
      row[j] = (row[j] - dot(row, sum + j * n, j)) / sum[j * n + j];
    const double square = row[i] - dot(row, row, i);
    if (!(square > 0) || !isfinite(square))
      return mambaFail(
          error, MAMBA_INVALID,
          "expected products of activations that are positive definite, found %g at channel %lld: a "
          "larger damp makes them so",
          square, (long long)(n - 1 - i));
    row[i] = sqrt(square);
  }
  return MAMBA_OK;
}

/* L becomes its inverse, with the help of a row. */
static void invert(double *lower, int64_t n, double *help) {
  for (int64_t i = 0; i < n; i++) {
    double *row = lower + i * n;
    const double diagonal = 1 / row[i];
    memcpy(help, row, (size_t)i * sizeof *help);
    memset(row, 0, (size_t)i * sizeof *row);
    for (int64_t j = 0; j < i; j++)
      subtract(row, help[j] * diagonal, lower + j * n, j + 1);
    row[i] = diagonal;
  }
}

MambaStatus mambaGptqFactor(double *sum, int64_t columns, double damp, MambaError *error) {
  double *help = malloc((size_t)columns * sizeof *help);
  if (!help)
    return mambaFail(error, MAMBA_NO_MEMORY, "no memory for %lld channels", (long long)columns);
  MambaStatus status = addDamp(sum, columns, damp, error);
  if (!status) {
    reverse(sum, columns * columns);
    status = decompose(sum, columns, error);
  }
  if (!status)
    invert(sum, columns, help);
  free(help);
  return status;
}

/* The integer of a weight in steps of `step`. */
static double nearest(double w, double step) {
  const double q = rint(w / step);
  return q < LEAST ? LEAST : q > MOST ? MOST : q;
}

static double absmax(const double *w, int64_t count) {
  double most = 0;
  for (int64_t i = 0; i < count; i++)
    most = fabs(w[i]) > most ? fabs(w[i]) : most;
  return most;
}

/* The multiple of `scale` by which a group loses least: from where nothing is clipped down to a half of it.
 */
static int8_t groupScale(const double *w, int64_t count, double scale) {
  const double whole = ceil(absmax(w, count) / (MOST * scale));
  const int most = whole < 1 ? 1 : whole > MAMBA_I4_MAX_SCALE ? MAMBA_I4_MAX_SCALE : (int)whole;
  int best = most;
  double least = INFINITY;
  for (int s = most; s > 0 && 2 * s >= most; s--) {
    const double step = s * scale;
    double loss = 0;
    for (int64_t i = 0; i < count; i++) {
      const double lost = nearest(w[i], step) * step - w[i];
      loss += lost * lost;
    }
    if (loss < least) {
      least = loss;
      best = s;
    }
  }
  return (int8_t)best;
}

void mambaGptqQuantize(const double *factor, double *w, int64_t rows, int64_t columns, int64_t group,
                       int8_t *q, int8_t *group_scales, float *scales) {
  const int64_t groups = columns / group;
  for (int64_t row = 0; row < rows; row++) {
    reverse(w + row * columns, columns);
    scales[row] = (float)(absmax(w + row * columns, columns) / (MOST * MAMBA_I4_MAX_SCALE));
    if (!(scales[row] > 0))
      scales[row] = 1;
  }
  for (int64_t a = columns - 1; a >= 0; a--) {
    const int64_t column = columns - 1 - a, in_group = column % group;
    for (int64_t row = 0; row < rows; row++) {
      double *const row_w = w + row * columns;
      int8_t *scale = &group_scales[row * groups + column / group];
      if (in_group == 0)
        *scale = groupScale(row_w + a - group + 1, group, scales[row]);
      const double step = *scale * (double)scales[row], integer = nearest(row_w[a], step);
      q[row * columns + column] = (int8_t)integer;
      if (factor)
        subtract(row_w, (row_w[a] - integer * step) / factor[a * columns + a], factor + a * columns, a);
    }
  }
}
