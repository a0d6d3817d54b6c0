/* mamba_linear_float, _w8 and _w4 with vectors: a register of 16 partial sums for each pair of token and
 * column.
 *
 * Decode is bound by the memory that the weights come from, so they are asked for FLOAT_AHEAD bytes early.
 * More tokens share each widened vector of weights. */
#include "../portable/float_weights.h"

enum { FLOAT_AHEAD = 16 << 10 };

/* What a tile computes: columns [column, ...) of w for the rows of x from x on. */
typedef struct float_tile_of {
  const float *x;
  float_weights w;
  const float *bias; /* or NULL */
  float *out;
  int32_t column, k, n;
} float_tile_of;

/* Adds the last k % 16 products to the sums [tokens * columns], folds them and stores the results. */
static void float_finish(const float_tile_of *tile, int32_t tokens, int32_t columns, float (*sums)[LANES]) {
  const int32_t rest = tile->k % LANES, at = tile->k - rest;
  for (int32_t j = 0; j < columns; ++j) {
    float weights[LANES] = {0};
    if (rest)
      load_values(tile->w.values, (int64_t)(tile->column + j) * tile->k + at, 0, rest, weights);
    for (int32_t t = 0; t < tokens; ++t) {
      float *lanes = sums[t * columns + j];
      for (int32_t l = 0; l < rest; ++l)
        lanes[l] = fmaf(tile->x[(int64_t)t * tile->k + at + l], weights[l], lanes[l]);
      tile->out[(int64_t)t * tile->n + j] =
          finish_float(v_fold(v_load(lanes)), tile->w.multiplier, tile->bias, tile->column + j);
    }
  }
}

/* T tokens and C columns, which are constants of the caller. One loop over all sums, as in dot_panel.h. */
static inline __attribute__((always_inline)) void float_tile(const int T, const int C,
                                                             const float_tile_of *tile) {
  const int32_t k = tile->k;
  const float *x = tile->x;
  const mamba_input w = tile->w.values;
  const int step = LANES * (w.type == MAMBA_F32 ? 4 : w.type == MAMBA_I8 ? 1 : 2); /* bytes of a column */
  const int64_t first = (int64_t)tile->column * k;
  const char *ahead = (const char *)w.data + first / LANES * step + FLOAT_AHEAD;
  vfloat s[16];
#pragma GCC unroll 16
  for (int i = 0; i < T * C; ++i)
    s[i] = v_splat(0.0f);
  for (int32_t at = 0; at + LANES <= k; at += LANES) {
#pragma GCC unroll 16
    for (int i = 0; i < T * C; ++i)
      s[i] = v_fma(v_load(x + (int64_t)(i / C) * k + at),
                   v_load_values(w, first + (int64_t)(i % C) * k + at, 0), s[i]);
#pragma GCC unroll 8
    for (int line = 0; line < C * step / 64; ++line)
      __builtin_prefetch(ahead + line * 64, 0, 2);
    ahead += C * step;
  }
  float sums[16][LANES];
#pragma GCC unroll 16
  for (int i = 0; i < T * C; ++i)
    v_store(sums[i], s[i]);
  float_finish(tile, T, C, sums);
}

/* The same for weights in nibbles, 32 of k at a time. */
static inline __attribute__((always_inline)) void nibble_tile(const int T, const int C,
                                                              const float_tile_of *tile) {
  const int32_t k = tile->k, group = tile->w.group;
  const int64_t stride = k / 2; /* bytes of a column */
  const uint8_t *w = (const uint8_t *)tile->w.values.data + tile->column * stride;
  const uint8_t *scales = tile->w.scales + (int64_t)tile->column * (k / group);
  vfloat s[16];
#pragma GCC unroll 16
  for (int i = 0; i < T * C; ++i)
    s[i] = v_splat(0.0f);
  for (int32_t g = 0; g < k / group; ++g)
    for (int32_t at = g * group; at < (g + 1) * group; at += MAMBA_I4_GROUP) {
#pragma GCC unroll 16
      for (int i = 0; i < T * C; ++i) {
        const float *x = tile->x + (int64_t)(i / C) * k + at;
        const uint8_t *bytes = w + i % C * stride + at / 2;
        const vfloat scale = v_splat((float)scales[i % C * (int64_t)(k / group) + g]);
        s[i] = v_fma(v_load(x), v_mul(v_load_low_nibbles(bytes), scale), s[i]);
        s[i] = v_fma(v_load(x + LANES), v_mul(v_load_high_nibbles(bytes), scale), s[i]);
      }
#pragma GCC unroll 8
      for (int j = 0; j < C; ++j)
        __builtin_prefetch(w + j * stride + at / 2 + C * stride, 0, 2);
    }
  float sums[16][LANES];
#pragma GCC unroll 16
  for (int i = 0; i < T * C; ++i)
    v_store(sums[i], s[i]);
  float_finish(tile, T, C, sums);
}

static inline __attribute__((always_inline)) void any_tile(const int T, const int C,
                                                           const float_tile_of *tile) {
  if (tile->w.scales)
    nibble_tile(T, C, tile);
  else
    float_tile(T, C, tile);
}

/* Columns [begin, end) with weights of one type, which is a constant of the caller. */
static inline __attribute__((always_inline)) void float_columns(const float *x, float_weights w,
                                                                const float *bias, int32_t rows, int32_t k,
                                                                int32_t n, int32_t begin, int32_t end,
                                                                float *out) {
  for (int32_t j = begin, columns; j < end; j += columns) {
    columns = end - j >= V_COLUMNS ? V_COLUMNS : 1;
    for (int32_t row = 0; row < rows;) {
      float_tile_of tile = {.x = x + (int64_t)row * k,
                            .w = w,
                            .bias = bias,
                            .out = out + (int64_t)row * n + j,
                            .column = j,
                            .k = k,
                            .n = n};
      if (columns == 1) {
        any_tile(1, 1, &tile);
        ++row;
      } else if (rows - row < 4) {
        any_tile(1, V_COLUMNS, &tile);
        ++row;
      } else {
        for (int part = 0; part < V_COLUMNS; part += V_BATCH_COLUMNS) {
          any_tile(4, V_BATCH_COLUMNS, &tile);
          tile.column += V_BATCH_COLUMNS;
          tile.out += V_BATCH_COLUMNS;
        }
        row += 4;
      }
    }
  }
}

static void vector_linear_float(const float *x, const void *w, mamba_type type, const float *bias,
                                int32_t rows, int32_t k, int32_t n, float *out, mamba_worker worker) {
  int32_t begin, end;
  share_channels(n, worker, &begin, &end);
  switch (type) {
  case MAMBA_F16:
    float_columns(x, weights_of_type(w, MAMBA_F16, NULL), bias, rows, k, n, begin, end, out);
    break;
  case MAMBA_BF16:
    float_columns(x, weights_of_type(w, MAMBA_BF16, NULL), bias, rows, k, n, begin, end, out);
    break;
  default:
    float_columns(x, weights_of_type(w, MAMBA_F32, NULL), bias, rows, k, n, begin, end, out);
    break;
  }
}

static void vector_linear_w8(const float *x, const int8_t *w, const float *multiplier, const float *bias,
                             int32_t rows, int32_t k, int32_t n, float *out, mamba_worker worker) {
  int32_t begin, end;
  share_channels(n, worker, &begin, &end);
  float_columns(x, weights_of_type(w, MAMBA_I8, multiplier), bias, rows, k, n, begin, end, out);
}

static void vector_linear_w4(const float *x, const void *packed, const float *multiplier, const float *bias,
                             int32_t rows, int32_t k, int32_t group, int32_t n, float *out,
                             mamba_worker worker) {
  int32_t begin, end;
  share_channels(n, worker, &begin, &end);
  float_columns(x, weights_of_nibbles(packed, k, group, n, multiplier), bias, rows, k, n, begin, end, out);
}
