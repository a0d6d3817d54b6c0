/* Hadamard matrices from Paley's constructions, for checking the table in kernels/hadamard_matrices.h. */
#ifndef MAMBA_TEST_PALEY_H
#define MAMBA_TEST_PALEY_H

#include <stdint.h>

/* The quadratic character of `a` modulo the prime q. */
static inline int8_t quadratic_character(int32_t a, int32_t q) {
  const int32_t residue = (a % q + q) % q;
  if (residue == 0)
    return 0;
  for (int32_t x = 1; x < q; ++x)
    if (x * x % q == residue)
      return 1;
  return -1;
}

/* Writes the matrix of order 1, 12, 20 or 28 as +-1 at [i * order + j]. */
static inline void paley_matrix(int32_t order, int8_t *matrix) {
  const int32_t second = order == 28 ? 2 : 1; /* the construction */
  const int32_t n = order / second, q = n - 1;
  if (order == 1) {
    matrix[0] = 1;
    return;
  }
  for (int32_t i = 0; i < n; ++i)
    for (int32_t j = 0; j < n; ++j) {
      int8_t s = quadratic_character(i - j, q);
      if (i == 0 || j == 0)
        s = i == j ? 0 : i == 0 || second == 2 ? 1 : -1;
      if (second == 1) {
        matrix[i * order + j] = (int8_t)(s + (i == j));
        continue;
      }
      int8_t *block = &matrix[2 * i * order + 2 * j];
      block[0] = s == 0 ? 1 : s;
      block[1] = s == 0 ? -1 : s;
      block[order] = s == 0 ? -1 : s;
      block[order + 1] = s == 0 ? -1 : (int8_t)-s;
    }
}

#endif
