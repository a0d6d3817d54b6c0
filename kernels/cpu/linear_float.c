/* mamba_linear_float, _w8 and _w4 with vectors: a register of 16 partial sums for each pair of token and
 * column.
 *
 * Decode is bound by the memory that the weights come from, so they are asked for FLOAT_AHEAD bytes early.
 * More tokens share each widened vector of weights; many, a panel of some columns that were widened before.
 */
#include "../portable/float_weights.h"

enum {
  FLOAT_AHEAD = 16 << 10,
  FLOAT_PANEL = 20 << 10, /* floats of a panel, on the stack: 80 KiB, which stay in the second cache */
  FLOAT_PANEL_ROWS = 8,   /* from how many rows on a panel pays */
};

/* What a tile computes: columns [column, ...) of w for the rows of x from x on. */
typedef struct float_tile_of {
  const float *x;
  float_weights w;
  const float *bias; /* or NULL */
  float *out;
  int32_t first; /* row of w.values that has the weights of `column`, whose results go to `out` */
  int32_t column, k, n;
} float_tile_of;

/* Adds the last k % 16 products to the sums [tokens * columns]. */
static void float_rest(const float_tile_of *tile, int32_t tokens, int32_t columns, float (*sums)[LANES]) {
  const int32_t rest = tile->k % LANES, at = tile->k - rest;
  for (int32_t j = 0; j < columns; ++j) {
    float weights[LANES];
    load_values(tile->w.values, (int64_t)(tile->first + j) * tile->k + at, 0, rest, weights);
    for (int32_t t = 0; t < tokens; ++t) {
      float *lanes = sums[t * columns + j];
      for (int32_t l = 0; l < rest; ++l)
        lanes[l] = fmaf(tile->x[(int64_t)t * tile->k + at + l], weights[l], lanes[l]);
    }
  }
}

/* Folds the sums [T * C] and stores the results. */
static inline __attribute__((always_inline)) void float_finish(const int T, const int C,
                                                               const float_tile_of *tile, vfloat s[16]) {
  float folded[16], sums[16][LANES];
  if (tile->k % LANES) {
#pragma GCC unroll 16
    for (int i = 0; i < T * C; ++i)
      v_store(sums[i], s[i]);
    float_rest(tile, T, C, sums);
#pragma GCC unroll 16
    for (int i = 0; i < T * C; ++i)
      s[i] = v_load(sums[i]);
  }
  if (T * C == 16) {
    v_fold_16(s, folded);
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < T * C; ++i)
      folded[i] = v_fold(s[i]);
  }
  for (int i = 0; i < T * C; ++i)
    tile->out[(int64_t)(i / C) * tile->n + i % C] =
        finish_float(folded[i], tile->w.multiplier, tile->bias, tile->column + i % C);
}

/* T tokens and C columns of weights of one type, all constants of the caller. One loop over all sums, as in
 * dot_panel.h. */
static inline __attribute__((always_inline)) void float_tile(const int T, const int C, const mamba_type type,
                                                             const float_tile_of *tile) {
  const int32_t k = tile->k;
  const float *x = tile->x;
  const mamba_input w = {.data = tile->w.values.data, .type = type, .scale = 1};
  const int step = LANES * (type == MAMBA_F32 ? 4 : type == MAMBA_I8 ? 1 : 2); /* bytes of a column */
  const int64_t first = (int64_t)tile->first * k;
  const char *ahead = (const char *)w.data + first / LANES * step + FLOAT_AHEAD;
  const int lines = T > 1 ? 0 : C * step / 64; /* to ask for */
  vfloat s[16];
#pragma GCC unroll 16
  for (int i = 0; i < T * C; ++i)
    s[i] = v_splat(0.0f);
  for (int32_t at = 0; at + LANES <= k; at += LANES) {
#pragma GCC unroll 16
    for (int i = 0; i < T * C; ++i)
      s[i] = v_fma(v_load(x + (int64_t)(i / C) * k + at),
                   v_load_values(w, first + (int64_t)(i % C) * k + at, 0), s[i]);
#pragma GCC unroll 9
    for (int line = 0; line < lines; ++line)
      __builtin_prefetch(ahead + line * 64, 0, 2);
    ahead += C * step;
  }
  float_finish(T, C, tile, s);
}

/* Where the nibbles of a column are, and the scales of its groups. */
static inline const uint8_t *nibbles_of(const float_tile_of *tile, int column, const uint8_t **scales) {
  const int64_t row = tile->first + column;
  *scales = tile->w.scales + row * (tile->k / tile->w.group);
  return (const uint8_t *)tile->w.values.data + row * (tile->k / 2);
}

/* The same for weights in nibbles, 32 of k at a time. */
static inline __attribute__((always_inline)) void nibble_tile(const int T, const int C,
                                                              const float_tile_of *tile) {
  const int32_t k = tile->k, group = tile->w.group;
  const int64_t stride = k / 2; /* bytes of a column */
  const uint8_t *scales, *w = nibbles_of(tile, 0, &scales);
  vfloat s[16];
#pragma GCC unroll 16
  for (int i = 0; i < T * C; ++i)
    s[i] = v_splat(0.0f);
  for (int32_t g = 0; g < k / group; ++g) {
    vfloat values[8];
#pragma GCC unroll 8
    for (int j = 0; j < C; ++j)
      values[j] = v_nibble_values((float)scales[j * (int64_t)(k / group) + g]);
    for (int32_t at = g * group; at < (g + 1) * group; at += MAMBA_I4_GROUP) {
#pragma GCC unroll 16
      for (int i = 0; i < T * C; ++i) {
        const float *x = tile->x + (int64_t)(i / C) * k + at;
        const uint8_t *bytes = w + i % C * stride + at / 2;
        s[i] = v_fma(v_load(x), v_load_low_nibbles(bytes, values[i % C]), s[i]);
        s[i] = v_fma(v_load(x + LANES), v_load_high_nibbles(bytes, values[i % C]), s[i]);
      }
#pragma GCC unroll 8
      for (int j = 0; j < C; ++j)
        __builtin_prefetch(w + j * stride + at / 2 + C * stride, 0, 2);
    }
  }
  float_finish(T, C, tile, s);
}

static inline __attribute__((always_inline)) void any_tile(const int T, const int C, const mamba_type type,
                                                           const float_tile_of *tile) {
  if (tile->w.scales)
    nibble_tile(T, C, tile);
  else
    float_tile(T, C, type, tile);
}

/* Widens V_COLUMNS columns to floats: [V_COLUMNS, k]. */
static inline __attribute__((always_inline)) void widen_panel(const mamba_type type,
                                                              const float_tile_of *tile, float *panel) {
  const int32_t k = tile->k, group = tile->w.group, rest = k % LANES;
  const mamba_input w = {.data = tile->w.values.data, .type = type, .scale = 1};
  const int size = type == MAMBA_F32 ? 4 : type == MAMBA_I8 ? 1 : 2;
  for (int column = 0; column < V_COLUMNS; ++column, panel += k) {
    const int64_t first = (int64_t)(tile->first + column) * k;
    if (tile->w.scales) {
      const uint8_t *scales, *bytes = nibbles_of(tile, column, &scales);
      for (int32_t g = 0; g < k / group; ++g) {
        const vfloat values = v_nibble_values((float)scales[g]);
        for (int32_t at = g * group; at < (g + 1) * group; at += MAMBA_I4_GROUP) {
          v_store(panel + at, v_load_low_nibbles(bytes + at / 2, values));
          v_store(panel + at + LANES, v_load_high_nibbles(bytes + at / 2, values));
          __builtin_prefetch(bytes + at / 2 + FLOAT_AHEAD, 0, 2);
        }
      }
    } else {
      for (int32_t at = 0; at + LANES <= k; at += LANES) {
        v_store(panel + at, v_load_values(w, first + at, 0));
        __builtin_prefetch((const char *)w.data + (first + at) * size + FLOAT_AHEAD, 0, 2);
      }
      load_values(w, first + k - rest, 0, rest, panel + k - rest);
    }
  }
}

/* V_COLUMNS columns of the tile for `rows` rows, four at a time. */
static inline __attribute__((always_inline)) void float_rows(const mamba_type type,
                                                             const float_tile_of *columns, int32_t rows) {
  float_tile_of tile = *columns;
  int32_t row = 0;
  for (; rows - row >= 4; row += 4) {
    tile.x = columns->x + (int64_t)row * tile.k;
    for (int part = 0; part < V_COLUMNS; part += V_BATCH_COLUMNS) {
      tile.first = columns->first + part;
      tile.column = columns->column + part;
      tile.out = columns->out + (int64_t)row * tile.n + part;
      any_tile(4, V_BATCH_COLUMNS, type, &tile);
    }
  }
  tile.first = columns->first;
  tile.column = columns->column;
  for (; row < rows; ++row) {
    tile.x = columns->x + (int64_t)row * tile.k;
    tile.out = columns->out + (int64_t)row * tile.n;
    any_tile(1, V_COLUMNS, type, &tile);
  }
}

/* Columns [begin, end) with weights of one type, which is a constant of the caller; a panel of FLOAT_PANEL
 * floats. */
static inline __attribute__((always_inline)) void float_columns(const float *x, float_weights w,
                                                                const float *bias, int32_t rows, int32_t k,
                                                                int32_t n, int32_t begin, int32_t end,
                                                                float *out, float *panel) {
  const mamba_type type = w.values.type;
  const bool widens =
      (w.scales || type != MAMBA_F32) && rows >= FLOAT_PANEL_ROWS && k <= FLOAT_PANEL / V_COLUMNS;
  float_tile_of tile = {.x = x, .w = w, .bias = bias, .k = k, .n = n}, widened = tile;
  widened.w = weights_of_type(panel, MAMBA_F32, w.multiplier);
  int32_t j = begin;
  for (; end - j >= V_COLUMNS; j += V_COLUMNS) {
    tile.first = tile.column = widened.column = j;
    tile.out = widened.out = out + j;
    if (widens) {
      widen_panel(type, &tile, panel);
      float_rows(MAMBA_F32, &widened, rows);
    } else {
      float_rows(type, &tile, rows);
    }
  }
  for (; j < end; ++j)
    for (int32_t row = 0; row < rows; ++row) {
      tile.first = tile.column = j;
      tile.x = x + (int64_t)row * k;
      tile.out = out + (int64_t)row * n + j;
      any_tile(1, 1, type, &tile);
    }
}

static void vector_linear_float(const float *x, const void *w, mamba_type type, const float *bias,
                                int32_t rows, int32_t k, int32_t n, float *out, mamba_worker worker) {
  int32_t begin, end;
  float panel[FLOAT_PANEL];
  share_channels(n, worker, &begin, &end);
  switch (type) {
  case MAMBA_F16:
    float_columns(x, weights_of_type(w, MAMBA_F16, NULL), bias, rows, k, n, begin, end, out, panel);
    break;
  case MAMBA_BF16:
    float_columns(x, weights_of_type(w, MAMBA_BF16, NULL), bias, rows, k, n, begin, end, out, panel);
    break;
  default:
    float_columns(x, weights_of_type(w, MAMBA_F32, NULL), bias, rows, k, n, begin, end, out, panel);
    break;
  }
}

static void vector_linear_w8(const float *x, const int8_t *w, const float *multiplier, const float *bias,
                             int32_t rows, int32_t k, int32_t n, float *out, mamba_worker worker) {
  int32_t begin, end;
  float panel[FLOAT_PANEL];
  share_channels(n, worker, &begin, &end);
  float_columns(x, weights_of_type(w, MAMBA_I8, multiplier), bias, rows, k, n, begin, end, out, panel);
}

static void vector_linear_w4(const float *x, const void *packed, const float *multiplier, const float *bias,
                             int32_t rows, int32_t k, int32_t group, int32_t n, float *out,
                             mamba_worker worker) {
  int32_t begin, end;
  float panel[FLOAT_PANEL];
  share_channels(n, worker, &begin, &end);
  float_columns(x, weights_of_nibbles(packed, k, group, n, multiplier), bias, rows, k, n, begin, end, out,
                panel);
}
