/* Blocks of 16 rows x 4 k with AMX: 16 blocks one after another are just what a tile register holds of the
 * second factor, 16 rows of x are the first, and one tdpbssd makes 16 x 16 sums of 64 products.
 *
 * Four sums of tiles (32 tokens x 32 columns) from two and two tiles: 2 KiB are loaded for 64 cycles of
 * arithmetic, eight times what AVX-512 VNNI does in that time, so that the second cache is the limit. */
#include "../pack.h"
#include "../portable/common.h"

enum {
  DOT_FLIP = 0,
  DOT_TILE_ROWS = 32,
  DOT_PANEL_GROUPS = 16,
  DOT_FEW_ROWS = 12, /* below, a tile is too empty */
  AMX_SIDE = 16,     /* rows of a tile */
  AMX_BYTES = 64     /* bytes of a row */
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

/* sums += over `steps` steps of `depth` blocks each. Tiles 0 to 3 are the sums [token half][group], 4 and 5
 * x, 6 and 7 weights. Rows of x and sums from `rows` on hold anything and are not used. */
static void amx_steps(const uint8_t *x, size_t x_stride, int32_t rows, const int8_t *w, size_t group_stride,
                      int32_t groups, int32_t steps, int32_t depth, int32_t (*sums)[DOT_TILE_ROWS][LANES]) {
  amx_shapes shapes = {.palette = 1};
  for (int tile = 0; tile < 8; ++tile) {
    shapes.row_bytes[tile] = (uint16_t)(tile == 4 || tile == 5 ? depth * MAMBA_PACK_DEPTH : AMX_BYTES);
    shapes.rows[tile] = (uint8_t)(tile >= 6 ? depth : AMX_SIDE);
  }
  _tile_loadconfig(&shapes);
  const bool upper = rows > AMX_SIDE;
  for (int32_t g = 0; g < groups; g += 2) {
    const bool second = g + 1 < groups;
    const int32_t next = second ? g + 1 : g;
    _tile_loadd(0, sums[g][0], AMX_BYTES);
    _tile_loadd(1, sums[next][0], AMX_BYTES);
    _tile_loadd(2, sums[g][AMX_SIDE], AMX_BYTES);
    _tile_loadd(3, sums[next][AMX_SIDE], AMX_BYTES);
    const uint8_t *x_step = x;
    const int8_t *w_step = w + (size_t)g * group_stride;
    for (int32_t s = 0; s < steps; ++s, x_step += AMX_BYTES, w_step += AMX_SIDE * AMX_BYTES) {
      _tile_loadd(4, x_step, x_stride);
      _tile_loadd(6, w_step, AMX_BYTES);
      _tile_dpbssd(0, 4, 6);
      if (upper) {
        _tile_loadd(5, x_step + AMX_SIDE * x_stride, x_stride);
        _tile_dpbssd(2, 5, 6);
      }
      if (second) {
        _tile_loadd(7, w_step + group_stride, AMX_BYTES);
        _tile_dpbssd(1, 4, 7);
        if (upper)
          _tile_dpbssd(3, 5, 7);
      }
    }
    _tile_stored(0, sums[g][0], AMX_BYTES);
    _tile_stored(2, sums[g][AMX_SIDE], AMX_BYTES);
    if (second) {
      _tile_stored(1, sums[next][0], AMX_BYTES);
      _tile_stored(3, sums[next][AMX_SIDE], AMX_BYTES);
    }
  }
  _tile_release();
}

static void dot_panel(const uint8_t *x, size_t x_stride, int32_t rows, const int8_t *w, size_t group_stride,
                      int32_t groups, int32_t blocks, int32_t (*sums)[DOT_TILE_ROWS][LANES]) {
  const int32_t steps = blocks / AMX_SIDE, rest = blocks % AMX_SIDE;
  if (steps)
    amx_steps(x, x_stride, rows, w, group_stride, groups, steps, AMX_SIDE, sums);
  if (rest)
    amx_steps(x + (size_t)steps * AMX_BYTES, x_stride, rows, w + (size_t)steps * AMX_SIDE * AMX_BYTES,
              group_stride, groups, 1, rest, sums);
}
