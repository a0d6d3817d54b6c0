/* Blocks of 16 rows x 4 k with AMX: 16 blocks one after another are just what a tile register holds of the
 * second factor, 16 rows of x are the first, and one tdpbssd makes 16 x 16 sums of 64 products.
 *
 * Four sums of tiles (32 tokens x 32 columns) from two and two tiles: 2 KiB are loaded for 64 cycles of
 * arithmetic, eight times what AVX-512 VNNI does in that time, so that the second cache is the limit. Weights
 * are asked for two steps early. */
#include "../pack.h"
#include "../portable/common.h"

enum {
  DOT_FLIP = 0,
  DOT_TILE_ROWS = 32,
  DOT_PANEL_GROUPS = 32,
  DOT_SUM_GROUPS = 2,
  DOT_FEW_ROWS = 12, /* below, a tile is too empty */
  AMX_SIDE = 16,     /* rows of a tile */
  AMX_BYTES = 64,    /* bytes of a row */
  AMX_AHEAD = 2 * AMX_SIDE * AMX_BYTES
};

/* The operand of ldtilecfg, palette 1. */
typedef struct amx_shapes {
  uint8_t palette, start_row, zero[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} amx_shapes;

static int32_t dot_tile_rows(int32_t left) {
  return smaller(left, DOT_TILE_ROWS);
}

/* Before and after the calls of dot_panel: the same shape for all tiles, because to change it costs as much
 * as 50 products of tiles. */
static inline void dot_begin(void) {
  amx_shapes shapes = {.palette = 1};
  for (int tile = 0; tile < 8; ++tile) {
    shapes.row_bytes[tile] = AMX_BYTES;
    shapes.rows[tile] = AMX_SIDE;
  }
  __asm__ volatile("" : : "m"(shapes)); /* gcc 12 thinks that the instruction reads 8 bytes only */
  _tile_loadconfig(&shapes);
}

static inline void dot_end(void) {
  _tile_release();
}

/* Brings the weights of a later step to the first cache. */
static inline void amx_prefetch(const int8_t *tile) {
#pragma GCC unroll 16
  for (int line = 0; line < AMX_SIDE; ++line)
    __builtin_prefetch(tile + line * AMX_BYTES, 0, 3);
}

/* Tiles 0 to 3, the sums [token half][group], += 64 products each of tiles 4 and 5, x, with 6 and 7, the
 * weights of one or two groups. */
static inline void amx_step(const uint8_t *x, size_t x_stride, bool upper, const int8_t *w,
                            const int8_t *w_next) {
  _tile_loadd(4, x, x_stride);
  _tile_loadd(6, w, AMX_BYTES);
  _tile_dpbssd(0, 4, 6);
  if (upper) {
    _tile_loadd(5, x + AMX_SIDE * x_stride, x_stride);
    _tile_dpbssd(2, 5, 6);
  }
  if (w_next) {
    _tile_loadd(7, w_next, AMX_BYTES);
    _tile_dpbssd(1, 4, 7);
    if (upper)
      _tile_dpbssd(3, 5, 7);
  }
}

/* Rows of x and sums from `rows` on hold anything and are not used. Sums begin at zero (x has no flipped
 * bits), in the registers: a tile load soon after the stores of a vector would wait for them. */
static void dot_panel(const uint8_t *x, size_t x_stride, int32_t rows, const int8_t *w, size_t group_stride,
                      int32_t groups, int32_t blocks, const int32_t *begin,
                      int32_t (*sums)[DOT_TILE_ROWS][LANES]) {
  const int32_t steps = blocks / AMX_SIDE, rest = blocks % AMX_SIDE;
  const bool upper = rows > AMX_SIDE;
  for (int32_t g = 0; g < groups; g += 2, w += 2 * group_stride) {
    const bool two = g + 1 < groups;
    const int32_t next = two ? g + 1 : g;
    const int8_t *w_step = w;
    if (begin) {
      _tile_zero(0);
      _tile_zero(1);
      _tile_zero(2);
      _tile_zero(3);
    } else {
      _tile_loadd(0, sums[g][0], AMX_BYTES);
      _tile_loadd(1, sums[next][0], AMX_BYTES);
      _tile_loadd(2, sums[g][AMX_SIDE], AMX_BYTES);
      _tile_loadd(3, sums[next][AMX_SIDE], AMX_BYTES);
    }
    for (int32_t s = 0; s < steps; ++s, w_step += AMX_SIDE * AMX_BYTES) {
      amx_prefetch(w_step + AMX_AHEAD);
      if (two)
        amx_prefetch(w_step + group_stride + AMX_AHEAD);
      amx_step(x + s * AMX_BYTES, x_stride, upper, w_step, two ? w_step + group_stride : NULL);
    }
    if (rest) { /* the chunk's x is filled up with zeros, the groups of weights are not */
      int8_t last[2][AMX_SIDE * AMX_BYTES] = {{0}};
      memcpy(last[0], w_step, (size_t)rest * AMX_BYTES);
      if (two)
        memcpy(last[1], w_step + group_stride, (size_t)rest * AMX_BYTES);
      amx_step(x + steps * AMX_BYTES, x_stride, upper, last[0], two ? last[1] : NULL);
    }
    _tile_stored(0, sums[g][0], AMX_BYTES);
    _tile_stored(2, sums[g][AMX_SIDE], AMX_BYTES);
    if (two) {
      _tile_stored(1, sums[next][0], AMX_BYTES);
      _tile_stored(3, sums[next][AMX_SIDE], AMX_BYTES);
    }
  }
}
