/* Blocks of 16 rows x 4 k with AVX-VNNI: two vpdpbusd of AVX2 width, with x + 128 as in dot_avx512_vnni.h. */
#include "dot_avx2_types.h"

typedef __m256i dot_input;

enum { DOT_FLIP = 0x80, DOT_TILE_ROWS = 6, DOT_TILE_GROUPS = 1, DOT_DECODE_GROUPS = 2 };

static inline dot_input dot_load_input(const uint8_t *from) {
  return dot_splat_input(from);
}

static inline dot_sums dot_add(dot_sums sums, dot_weights w, dot_input x) {
  return (dot_sums){_mm256_dpbusd_avx_epi32(sums.low, x, w.low),
                    _mm256_dpbusd_avx_epi32(sums.high, x, w.high)};
}

static inline dot_sums dot_add_nibbles(dot_sums sums, dot_weights w, const uint8_t *x) {
  return (dot_sums){_mm256_dpbusd_avx_epi32(sums.low, w.low, dot_splat_input(x)),
                    _mm256_dpbusd_avx_epi32(sums.high, w.high, dot_splat_input(x))};
}

#include "dot_panel.h"
