/* Hadamard matrices whose order is not a power of two, and the factorisation of a transform's size.
 *
 * Order 12 and 20: Paley's first construction over GF(11) and GF(19), H = I + S with
 * S = [0, 1; -1, Q]. Order 28: Paley's second over GF(13), from S = [0, 1; 1, Q] by replacing 0 with
 * [1, -1; -1, -1] and +-1 with +-[1, 1; 1, -1]. Q[i][j] is the quadratic character of i - j.
 * (Paley 1933, "On orthogonal matrices".) A test rebuilds them and checks H H^T = m I.
 * Bit j of word i is set where H[i][j] = -1. */
#ifndef MAMBA_HADAMARD_MATRICES_H
#define MAMBA_HADAMARD_MATRICES_H

#include <stddef.h>
#include <stdint.h>

/* CUDA code takes signs from these at compile time. */
#ifdef __cplusplus
#define MAMBA_HADAMARD_TABLE static constexpr
#else
#define MAMBA_HADAMARD_TABLE static const
#endif

MAMBA_HADAMARD_TABLE uint32_t mamba_hadamard_12[12] = {
    0x000, 0x475, 0x8e9, 0x1d3, 0x3a5, 0x749, 0xe91, 0xd23, 0xa47, 0x48f, 0x91d, 0x23b,
};
MAMBA_HADAMARD_TABLE uint32_t mamba_hadamard_20[20] = {
    0x00000, 0x615e5, 0xc2bc9, 0x85793, 0x0af27, 0x15e4d, 0x2bc99, 0x57931, 0xaf261, 0x5e4c3,
    0xbc985, 0x7930b, 0xf2615, 0xe4c2b, 0xc9857, 0x930af, 0x2615f, 0x4c2bd, 0x98579, 0x30af3,
};
MAMBA_HADAMARD_TABLE uint32_t mamba_hadamard_28[28] = {
    0x0000002, 0xaaaaaab, 0x30ff0c8, 0x9a55a6e, 0xc3fc320, 0x69569ba, 0x0ff0c8c,
    0xa55a6e6, 0x3fc3230, 0x9569b9a, 0xff0c8c0, 0x55a6e6a, 0xfc3230c, 0x569b9a6,
    0xf0c8c3c, 0x5a6e696, 0xc3230fc, 0x69b9a56, 0x0c8c3fc, 0xa6e6956, 0x3230ff0,
    0x9b9a55a, 0xc8c3fc0, 0x6e6956a, 0x230ff0c, 0xb9a55a6, 0x8c3fc30, 0xe69569a,
};

/* The m of size = m * 2^k, the smallest of 1, 12, 20 and 28 that fits; 0 where there is none. */
static inline int32_t mambaHadamardOrder(int32_t size) {
  static const int32_t orders[] = {1, 12, 20, 28};
  for (size_t i = 0; i < sizeof orders / sizeof orders[0]; ++i) {
    const int32_t inner = size > 0 && size % orders[i] == 0 ? size / orders[i] : 0;
    if (inner > 0 && (inner & (inner - 1)) == 0)
      return orders[i];
  }
  return 0;
}

/* The sign words of order m, or NULL for the order 1. */
static inline const uint32_t *mambaHadamardSigns(int32_t order) {
  return order == 12   ? mamba_hadamard_12
         : order == 20 ? mamba_hadamard_20
         : order == 28 ? mamba_hadamard_28
                       : NULL;
}

#endif
