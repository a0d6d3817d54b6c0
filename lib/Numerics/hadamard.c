#include "mamba/hadamard.h"

#include "hadamard_matrices.h"

#include <math.h>
#include <string.h>

enum {
  MAX_ORDER = 28,
  COLUMNS = 16, /* of data that are transformed side by side */
};

static int32_t getOrder(int64_t size) {
  return size >= 1 && size <= INT32_MAX ? mambaHadamardOrder((int32_t)size) : 0;
}

bool mambaHadamardIsSupported(int64_t size) {
  return getOrder(size) != 0;
}

/* Sylvester's matrix of order `power` on data [power, inner]. */
static void transformPower(double *data, int64_t power, int64_t inner) {
  for (int64_t stride = inner; stride < power * inner; stride *= 2)
    for (int64_t base = 0; base < power * inner; base += 2 * stride) {
      double *restrict low = data + base;
      double *restrict high = low + stride;
      for (int64_t i = 0; i < stride; ++i) {
        const double a = low[i], b = high[i];
        low[i] = a + b;
        high[i] = a - b;
      }
    }
}

/* The matrix of order m, or its transpose, on data [order, inner]. */
static void transformOrder(double *data, const uint32_t *signs, int32_t order, int64_t inner,
                           bool transpose) {
  double from[MAX_ORDER][COLUMNS] = {{0}};
  for (int64_t at = 0; at < inner; at += COLUMNS) {
    const size_t bytes = sizeof(double) * (size_t)(inner - at < COLUMNS ? inner - at : COLUMNS);
    for (int32_t j = 0; j < order; ++j)
      memcpy(from[j], data + j * inner + at, bytes);
    for (int32_t i = 0; i < order; ++i) {
      double sum[COLUMNS] = {0};
      for (int32_t j = 0; j < order; ++j) {
        if ((transpose ? signs[j] >> i : signs[i] >> j) & 1)
          for (int column = 0; column < COLUMNS; ++column)
            sum[column] -= from[j][column];
        else
          for (int column = 0; column < COLUMNS; ++column)
            sum[column] += from[j][column];
      }
      memcpy(data + i * inner + at, sum, bytes);
    }
  }
}

MambaStatus mambaHadamardTransform(double *data, int64_t outer, int64_t size, int64_t inner, bool transpose,
                                   MambaError *error) {
  const int32_t order = getOrder(size);
  if (order == 0)
    return mambaFail(error, MAMBA_UNSUPPORTED,
                     "no Hadamard matrix for size %lld: expected 2^k times 1, 12, 20, 28 or 40",
                     (long long)size);
  const int64_t power = size / order;
  const double norm = 1 / sqrt((double)size);
  for (int64_t o = 0; o < outer; ++o) {
    double *block = data + o * size * inner;
    for (int32_t i = 0; i < order; ++i)
      transformPower(block + i * power * inner, power, inner);
    if (order > 1)
      transformOrder(block, mambaHadamardSigns(order), order, power * inner, transpose);
    for (int64_t i = 0; i < size * inner; ++i)
      block[i] *= norm;
  }
  return MAMBA_OK;
}
