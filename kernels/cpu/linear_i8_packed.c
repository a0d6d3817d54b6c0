/* mamba_linear_i8_packed for one instruction set, on top of its dot_panel.
 *
 * A worker has a range of groups of 16 output columns and takes them by panels. For each panel it walks over
 * tiles of tokens: a tile's x goes, by chunks of k, to a buffer in the first cache in the form that the
 * dot product wants (bytes flipped, k filled up to whole blocks); dot_panel adds to the sums of all
 * columns of the panel; and the finished sums are scaled and stored. So the weights leave memory once
 * for any number of tokens (a panel stays in the second cache meanwhile), and decode is bound by the
 * memory's bandwidth, prefill by the dot products.
 *
 * The instruction set's dot_<set>.h has given DOT_TILE_ROWS (tokens of a tile), DOT_PANEL_GROUPS (of a
 * panel), DOT_SUM_GROUPS (with sums at once), DOT_FLIP, dot_panel and what goes before and after its calls.
 */
#include "../pack.h"
#include "../portable/columns.h"

enum {
  LINEAR_DEPTH = 2048,         /* k of a chunk */
  LINEAR_PANEL_BYTES = 1 << 20 /* of weights that the second cache has room for */
};

/* The x of a chunk. Rows are 64 bytes further apart than they are long, so that they do not compete for the
 * same sets of the cache. */
typedef uint8_t linear_chunk[DOT_TILE_ROWS][LINEAR_DEPTH + 64];

typedef int32_t linear_sums[DOT_PANEL_GROUPS][DOT_TILE_ROWS][LANES];

/* What all rows of a call have in common. */
typedef struct linear_call {
  const int8_t *x, *weights;
  const int32_t *offsets;
  const float *row_scale, *multiplier, *bias;
  const mamba_output *outputs;
  int32_t k, n, output_count;
} linear_call;

static void copy_chunk(const int8_t *restrict x, int32_t count, uint8_t *restrict chunk) {
  for (int32_t i = 0; i < count; ++i)
    chunk[i] = (uint8_t)x[i] ^ DOT_FLIP;
  for (int32_t i = count; i % 64 != 0; ++i) /* meets weights that are zero */
    chunk[i] = 0;
}

/* The output that holds all of [column, column + LANES), its first column in *begin, or NULL. */
static const mamba_output *whole_output(const linear_call *call, int32_t column, int32_t *begin) {
  *begin = 0;
  for (int32_t o = 0; o < call->output_count; ++o) {
    const int32_t end = *begin + call->outputs[o].channels;
    if (column < end)
      return column + LANES <= end ? &call->outputs[o] : NULL;
    *begin = end;
  }
  return NULL;
}

/* Scales and stores the sums of 16 columns of one output, whose type is a constant of the caller. */
static inline __attribute__((always_inline)) void finish_rows(const linear_call *call, mamba_output out,
                                                              int32_t column, int32_t channel, int32_t row,
                                                              int32_t rows, int32_t (*sums)[LANES]) {
  const float *row_scale = call->row_scale ? call->row_scale + row : NULL;
  const bool has_bias = call->bias;
  const vfloat multiplier = v_load(call->multiplier + column);
  const vfloat bias = has_bias ? v_load(call->bias + column) : v_splat(0.0f);
  int64_t first = (int64_t)row * out.channels + channel;
  for (int32_t r = 0; r < rows; ++r, first += out.channels) {
    vfloat v = v_mul(v_load_int32(sums[r]), multiplier);
    if (row_scale)
      v = v_mul(v, v_splat(row_scale[r]));
    if (has_bias)
      v = v_add(v, bias);
    v_store_values(out, first, channel, v);
  }
}

/* Scales and stores the sums of one group for the rows [row, row + rows). */
static void finish_group(const linear_call *call, int32_t column, int32_t row, int32_t rows,
                         int32_t (*sums)[LANES]) {
  int32_t begin;
  const mamba_output *whole = whole_output(call, column, &begin);
  if (!whole) {
    for (int32_t r = 0; r < rows; ++r) {
      const linear_scales scales = {call->multiplier, call->bias,
                                    call->row_scale ? &call->row_scale[row + r] : NULL};
      const int32_t columns = smaller(LANES, call->n - column);
      float values[LANES] = {0};
      scale_columns(sums[r], scales, column, columns, values);
      store_columns(call->outputs, call->output_count, row + r, column, columns, values);
    }
    return;
  }
  mamba_output out = *whole;
  switch (out.type) {
  case MAMBA_I8:
    out.type = MAMBA_I8;
    finish_rows(call, out, column, column - begin, row, rows, sums);
    break;
  case MAMBA_F16:
    out.type = MAMBA_F16;
    finish_rows(call, out, column, column - begin, row, rows, sums);
    break;
  default:
    out.type = MAMBA_F32;
    finish_rows(call, out, column, column - begin, row, rows, sums);
    break;
  }
}

/* The columns of a panel, DOT_SUM_GROUPS at a time: their sums are still in the first cache when they are
 * finished. Only where k has several chunks all sums of the panel wait for the last one. */
static void linear_panel(const linear_call *call, int32_t group, int32_t groups, int32_t all_rows) {
  static const int32_t zeros[LANES];
  const size_t group_stride = mamba_pack_group_offset(1, call->k);
  const int8_t *weights = call->weights + mamba_pack_group_offset(group, call->k);
  linear_chunk chunk;
  linear_sums sums;
  for (int32_t row = 0, rows; row < all_rows; row += rows) {
    rows = dot_tile_rows(all_rows - row);
    const int32_t depth = smaller(call->k, LINEAR_DEPTH);
    for (int32_t at = 0; at < call->k; at += depth) {
      const int32_t count = smaller(depth, call->k - at);
      for (int32_t r = 0; r < rows; ++r)
        copy_chunk(call->x + (int64_t)(row + r) * call->k + at, count, chunk[r]);
      for (int32_t g = 0; g < groups; g += DOT_SUM_GROUPS) {
        const int32_t some = smaller(DOT_SUM_GROUPS, groups - g);
        int32_t(*part)[DOT_TILE_ROWS][LANES] = depth == call->k ? sums : sums + g;
        const int32_t *begin = at ? NULL : DOT_FLIP ? call->offsets + (group + g) * LANES : zeros;
        dot_panel(chunk[0], sizeof chunk[0], rows,
                  weights + (size_t)g * group_stride + (size_t)at * MAMBA_PACK_ROWS, group_stride, some,
                  mamba_pack_depth_blocks(count), begin, part);
        if (at + depth >= call->k)
          for (int32_t i = 0; i < some; ++i)
            finish_group(call, (group + g + i) * LANES, row, rows, part[i]);
      }
    }
  }
}

void MAMBA_LINEAR(const int8_t *x, const float *row_scale, const void *packed, const float *multiplier,
                  const float *bias, int32_t rows, int32_t k, int32_t n, const mamba_output *outputs,
                  int32_t output_count, mamba_worker worker) {
#ifdef MAMBA_LINEAR_FEW_ROWS
  if (rows < DOT_FEW_ROWS) {
    MAMBA_LINEAR_FEW_ROWS(x, row_scale, packed, multiplier, bias, rows, k, n, outputs, output_count, worker);
    return;
  }
#endif
  const int32_t groups = mamba_pack_groups(n);
  const int8_t *weights = (const int8_t *)packed;
  const linear_call call = {.x = x,
                            .weights = weights,
                            .offsets = (const int32_t *)(weights + mamba_pack_group_offset(groups, k)),
                            .row_scale = row_scale,
                            .multiplier = multiplier,
                            .bias = bias,
                            .outputs = outputs,
                            .k = k,
                            .n = n,
                            .output_count = output_count};
  const int32_t end = share_begin(groups, worker.index + 1, worker.count);
  dot_begin();
  const int32_t fit = (int32_t)(LINEAR_PANEL_BYTES / mamba_pack_group_offset(1, k));
  const int32_t panel = fit < DOT_SUM_GROUPS ? DOT_SUM_GROUPS : smaller(fit, DOT_PANEL_GROUPS);
  for (int32_t g = share_begin(groups, worker.index, worker.count); g < end; g += panel)
    linear_panel(&call, g, smaller(panel, end - g), rows);
  dot_end();
}
