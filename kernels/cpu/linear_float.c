/* mamba_linear_float with vectors: a register of 16 partial sums for each pair of token and column.
 *
 * Decode is bound by the memory that the weights come from, so they are asked for FLOAT_AHEAD bytes early.
 * More tokens share each widened vector of weights. */

enum { FLOAT_AHEAD = 16 << 10 };

/* What a tile computes: columns [column, ...) of w for the rows of x from x on. */
typedef struct float_tile_of {
  const float *x;
  mamba_input w;
  int64_t first;     /* element of w where the first column's weights begin */
  const float *bias; /* of the first column, or NULL */
  float *out;
  int32_t k, n;
} float_tile_of;

/* Adds the last k % 16 products to the sums [tokens * columns], folds them and stores the results. */
static void float_finish(const float_tile_of *tile, int32_t tokens, int32_t columns, float (*sums)[LANES]) {
  const int32_t rest = tile->k % LANES, at = tile->k - rest;
  for (int32_t j = 0; j < columns; ++j) {
    float weights[LANES] = {0};
    load_values(tile->w, tile->first + (int64_t)j * tile->k + at, 0, rest, weights);
    for (int32_t t = 0; t < tokens; ++t) {
      float *lanes = sums[t * columns + j];
      for (int32_t l = 0; l < rest; ++l)
        lanes[l] = fmaf(tile->x[(int64_t)t * tile->k + at + l], weights[l], lanes[l]);
      const float v = v_fold(v_load(lanes));
      tile->out[(int64_t)t * tile->n + j] = tile->bias ? v + tile->bias[j] : v;
    }
  }
}

/* T tokens and C columns, which are constants of the caller. One loop over all sums, as in dot_panel.h. */
static inline __attribute__((always_inline)) void float_tile(const int T, const int C,
                                                             const float_tile_of *tile) {
  const int32_t k = tile->k;
  const float *x = tile->x;
  const mamba_input w = tile->w;
  const int step = LANES * (w.type == MAMBA_F32 ? 4 : 2); /* bytes of a column */
  const char *ahead = (const char *)w.data + tile->first / LANES * step + FLOAT_AHEAD;
  vfloat s[16];
#pragma GCC unroll 16
  for (int i = 0; i < T * C; ++i)
    s[i] = v_splat(0.0f);
  for (int32_t at = 0; at + LANES <= k; at += LANES) {
#pragma GCC unroll 16
    for (int i = 0; i < T * C; ++i)
      s[i] = v_fma(v_load(x + (int64_t)(i / C) * k + at),
                   v_load_values(w, tile->first + (int64_t)(i % C) * k + at, 0), s[i]);
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

/* Columns [begin, end) with weights of one type, which is a constant of the caller. */
static inline __attribute__((always_inline)) void float_columns(const float *x, mamba_input w,
                                                                const float *bias, int32_t rows, int32_t k,
                                                                int32_t n, int32_t begin, int32_t end,
                                                                float *out) {
  for (int32_t j = begin, columns; j < end; j += columns) {
    columns = end - j >= V_COLUMNS ? V_COLUMNS : 1;
    for (int32_t row = 0; row < rows;) {
      float_tile_of tile = {.x = x + (int64_t)row * k,
                            .w = w,
                            .first = (int64_t)j * k,
                            .bias = bias ? bias + j : NULL,
                            .out = out + (int64_t)row * n + j,
                            .k = k,
                            .n = n};
      if (columns == 1) {
        float_tile(1, 1, &tile);
        ++row;
      } else if (rows - row < 4) {
        float_tile(1, V_COLUMNS, &tile);
        ++row;
      } else {
        for (int part = 0; part < V_COLUMNS; part += V_BATCH_COLUMNS) {
          float_tile(4, V_BATCH_COLUMNS, &tile);
          tile.first += (int64_t)V_BATCH_COLUMNS * k;
          tile.bias = bias ? tile.bias + V_BATCH_COLUMNS : NULL;
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
    float_columns(x, (mamba_input){.data = w, .type = MAMBA_F16}, bias, rows, k, n, begin, end, out);
    break;
  case MAMBA_BF16:
    float_columns(x, (mamba_input){.data = w, .type = MAMBA_BF16}, bias, rows, k, n, begin, end, out);
    break;
  default:
    float_columns(x, (mamba_input){.data = w, .type = MAMBA_F32}, bias, rows, k, n, begin, end, out);
    break;
  }
}
