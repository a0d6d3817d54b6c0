/* mamba_linear_i4 for one instruction set, beside linear_i8_packed.c and with its parts.
 *
 * Few tokens (decode) are bound by the memory that the nibbles come from. Their dot products take the nibbles
 * as they are, q + 8: those of a group begin at -8 times the sum of its x, and are multiplied by the group's
 * scale into the sums of all. More tokens share the work of making int8 weights of the nibbles, by chunks of
 * k in the first caches, which dot_panel then reads. */
#include "../pack_i4.h"

typedef struct i4_call {
  linear_call base; /* weights are the nibbles */
  const uint8_t *scales;
  int32_t group;
} i4_call;

/* ---- Many tokens -------------------------------------------------------------------------------------- */

enum {
  I4_DEPTH = 1024, /* k of a chunk */
  I4_TILES = 12,   /* of tokens that share a chunk: 8 full ones, and what dot_tile_rows makes of a rest */
  I4_ROWS = 8 * DOT_TILE_ROWS
};

typedef int8_t i4_weights[2][I4_DEPTH * LANES];

/* to = q * scale for columns [at, at + count) of a group of 16 rows, in the layout of pack.h. */
static void i4_expand(const i4_call *call, int32_t row_group, int32_t at, int32_t count,
                      int8_t *restrict to) {
  const int32_t k = call->base.k;
  const int8_t *restrict from = call->base.weights + (int64_t)row_group * (k / 2) * LANES + at / 2 * LANES;
  const uint8_t *scales = call->scales + (int64_t)row_group * (k / call->group) * LANES;
  int8_t wide[MAMBA_PACK_BLOCK];
  int32_t group = -1;
  for (int32_t i = 0; i < count; i += MAMBA_I4_DEPTH, from += MAMBA_PACK_BLOCK, to += 2 * MAMBA_PACK_BLOCK) {
    if ((at + i) / call->group != group) {
      group = (at + i) / call->group;
      for (int l = 0; l < MAMBA_PACK_BLOCK; ++l)
        wide[l] = (int8_t)scales[group * LANES + l / MAMBA_PACK_DEPTH];
    }
    for (int l = 0; l < MAMBA_PACK_BLOCK; ++l) {
      const uint8_t both = (uint8_t)from[l];
      to[l] = (int8_t)(((both & 15) - 8) * wide[l]);
      to[l + MAMBA_PACK_BLOCK] = (int8_t)(((both >> 4) - 8) * wide[l]);
    }
  }
}

/* sums[g][r] += what is missing where bytes of x were flipped: -128 times the weights' sums, which a row of
 * flipped zeros gives. */
static void i4_unflip(const i4_weights weights, int32_t groups, int32_t blocks, int32_t rows,
                      linear_chunk chunk, int32_t (*sums)[DOT_TILE_ROWS][LANES]) {
  static const int32_t zeros[2 * LANES];
  int32_t extra[2][DOT_TILE_ROWS][LANES];
  memset(chunk[0], DOT_FLIP, (size_t)blocks * MAMBA_PACK_DEPTH);
  dot_panel(chunk[0], sizeof chunk[0], 1, weights[0], sizeof weights[0], groups, blocks, zeros, extra);
  for (int32_t g = 0; g < groups; ++g)
    for (int32_t r = 0; r < rows; ++r)
      for (int l = 0; l < LANES; ++l)
        sums[g][r][l] -= extra[g][0][l];
}

/* One or two groups of 16 columns for the tokens [row, row + rows) of at most I4_ROWS. */
static void i4_tokens(const i4_call *call, int32_t row_group, int32_t groups, int32_t row, int32_t rows) {
  static const int32_t zeros[2 * LANES];
  const linear_call *base = &call->base;
  linear_chunk chunk;
  i4_weights weights;
  int32_t sums[I4_TILES][2][DOT_TILE_ROWS][LANES];
  for (int32_t at = 0; at < base->k; at += I4_DEPTH) {
    const int32_t count = smaller(I4_DEPTH, base->k - at), blocks = mamba_pack_depth_blocks(count);
    for (int32_t g = 0; g < groups; ++g)
      i4_expand(call, row_group + g, at, count, weights[g]);
    for (int32_t done = 0, tile = 0, some; done < rows; done += some, ++tile) {
      some = dot_tile_rows(rows - done);
      for (int32_t r = 0; r < some; ++r)
        copy_chunk(base->x + (int64_t)(row + done + r) * base->k + at, count, chunk[r]);
      dot_panel(chunk[0], sizeof chunk[0], some, weights[0], sizeof weights[0], groups, blocks,
                at ? NULL : zeros, sums[tile]);
      if (DOT_FLIP)
        i4_unflip((const int8_t(*)[I4_DEPTH * LANES]) weights, groups, blocks, some, chunk, sums[tile]);
      if (at + count == base->k)
        for (int32_t g = 0; g < groups; ++g)
          finish_group(base, (row_group + g) * LANES, row + done, some, sums[tile][g]);
    }
  }
}

/* ---- Few tokens --------------------------------------------------------------------------------------- */

#ifndef MAMBA_LINEAR_I4_FEW_ROWS
enum { I4_FEW_ROWS = 8, I4_MAX_GROUPS = MAMBA_LINEAR_I8_MAX_K / MAMBA_I4_GROUP };

/* begin[g] = -8 sum of x over group g. */
static void i4_begin(const int8_t *x, int32_t k, int32_t group, int32_t *begin) {
  for (int32_t g = 0; g < k / group; ++g, x += group) {
    int32_t sum = 0;
    for (int32_t i = 0; i < group; ++i)
      sum += x[i];
    begin[g] = -8 * sum;
  }
}

/* T tokens from `row` on with G groups of 16 columns, constants of the caller; see packed_tile. */
static inline __attribute__((always_inline)) void i4_tile(const int T, const int G, const i4_call *call,
                                                          int32_t row_group, int32_t row,
                                                          int32_t (*begin)[I4_MAX_GROUPS]) {
  const linear_call *base = &call->base;
  const int32_t k = base->k, group = call->group, group_count = k / group;
  const size_t stride = (size_t)(k / 2) * LANES;
  const uint8_t *x = (const uint8_t *)base->x + (int64_t)row * k;
  const int8_t *w = base->weights + (size_t)row_group * stride;
  const uint8_t *scales = call->scales + (int64_t)row_group * group_count * LANES;
  static const int32_t zeros[LANES];
  dot_sums s[8], part[8];
#pragma GCC unroll 8
  for (int i = 0; i < T * G; ++i)
    s[i] = dot_load_sums(zeros);
  for (int32_t g = 0; g < group_count; ++g, scales += LANES) {
#pragma GCC unroll 8
    for (int i = 0; i < T * G; ++i)
      part[i] = dot_splat_sums(begin[i / G][g]);
    for (int32_t at = 0; at < group; at += MAMBA_I4_DEPTH, x += MAMBA_I4_DEPTH, w += MAMBA_PACK_BLOCK) {
#pragma GCC unroll 4
      for (int i = 0; i < G; ++i)
        __builtin_prefetch(w + (size_t)(G + i) * stride, 0, 2);
#pragma GCC unroll 8
      for (int i = 0; i < T * G; ++i) {
        const dot_weights both = dot_load_weights(w + (size_t)(i % G) * stride);
        const uint8_t *x_of = x + (int64_t)(i / G) * k;
        part[i] = dot_add_nibbles(part[i], dot_low_nibbles(both), x_of);
        part[i] = dot_add_nibbles(part[i], dot_high_nibbles(both), x_of + MAMBA_PACK_DEPTH);
      }
    }
#pragma GCC unroll 8
    for (int i = 0; i < T * G; ++i)
      s[i] = dot_add_scaled(s[i], part[i], scales + (int64_t)(i % G) * group_count * LANES);
  }
  int32_t sums[8][2][LANES];
#pragma GCC unroll 8
  for (int i = 0; i < T * G; ++i)
    dot_store_sums(sums[i % G][i / G], s[i]);
  for (int i = 0; i < G; ++i)
    finish_group(base, (row_group + i) * LANES, row, T, sums[i]);
}

/* Groups of columns [row_group, end) for T tokens. */
#define I4_TOKENS(T, G)                                                                                      \
  do {                                                                                                       \
    int32_t g = row_group;                                                                                   \
    for (; g + (G) <= end; g += (G))                                                                         \
      i4_tile(T, G, call, g, row, begin);                                                                    \
    for (; g < end; ++g)                                                                                     \
      i4_tile(T, 1, call, g, row, begin);                                                                    \
  } while (0)

static void i4_few_tokens(const i4_call *call, int32_t row_group, int32_t end, int32_t row, int32_t tokens) {
  int32_t begin[2][I4_MAX_GROUPS];
  for (int32_t t = 0; t < tokens; ++t)
    i4_begin(call->base.x + (int64_t)(row + t) * call->base.k, call->base.k, call->group, begin[t]);
  if (tokens == 1)
    I4_TOKENS(1, DOT_DECODE_GROUPS);
  else
    I4_TOKENS(2, DOT_DECODE_GROUPS / 2);
}
#endif

void MAMBA_LINEAR_I4(const int8_t *x, const float *row_scale, const void *packed, const float *multiplier,
                     const float *bias, int32_t rows, int32_t k, int32_t group, int32_t n,
                     const mamba_output *outputs, int32_t output_count, mamba_worker worker) {
  const i4_call call = {.base = {.x = x,
                                 .weights = packed,
                                 .row_scale = row_scale,
                                 .multiplier = multiplier,
                                 .bias = bias,
                                 .outputs = outputs,
                                 .k = k,
                                 .n = n,
                                 .output_count = output_count},
                        .scales = (const uint8_t *)packed + mamba_pack_i4_blocks_offset(n, k),
                        .group = group};
  const int32_t groups = mamba_pack_groups(n);
  const int32_t first = share_begin(groups, worker.index, worker.count);
  const int32_t end = share_begin(groups, worker.index + 1, worker.count);
#ifdef MAMBA_LINEAR_I4_FEW_ROWS
  if (rows < DOT_FEW_ROWS) {
    MAMBA_LINEAR_I4_FEW_ROWS(x, row_scale, packed, multiplier, bias, rows, k, group, n, outputs, output_count,
                             worker);
    return;
  }
#else
  if (rows < I4_FEW_ROWS) {
    for (int32_t row = 0; row < rows; row += 2)
      i4_few_tokens(&call, first, end, row, smaller(2, rows - row));
    return;
  }
#endif
  dot_begin();
  for (int32_t g = first; g < end; g += 2)
    for (int32_t row = 0; row < rows; row += I4_ROWS)
      i4_tokens(&call, g, smaller(2, end - g), row, smaller(I4_ROWS, rows - row));
  dot_end();
}
