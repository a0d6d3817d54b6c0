/* mamba_linear_i8_packed for one instruction set, on top of its dot_panel.
 *
 * A worker has a range of groups of 16 output columns and takes them by panels. For each panel it walks over
 * tiles of tokens: a tile's x goes, by chunks of k, to a buffer in the first cache in the form that the
 * dot product wants (bytes flipped, k filled up to whole blocks); dot_panel adds to the sums of all
 * columns of the panel; and the finished sums are scaled and stored. So the weights leave memory once
 * for any number of tokens (a panel stays in the second cache meanwhile), and decode is bound by the
 * memory's bandwidth, prefill by the dot products.
 *
 * The instruction set's dot_<set>.h has given DOT_TILE_ROWS (tokens of a tile), DOT_PANEL_GROUPS, DOT_FLIP
 * and dot_panel. */
#include "../pack.h"
#include "../portable/columns.h"

enum { LINEAR_DEPTH = 2048 }; /* k of a chunk */

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

static void begin_sums(const linear_call *call, int32_t group, int32_t groups, int32_t rows,
                       linear_sums sums) {
  for (int32_t g = 0; g < groups; ++g)
    for (int32_t row = 0; row < rows; ++row) {
      if (DOT_FLIP)
        memcpy(sums[g][row], call->offsets + (group + g) * LANES, sizeof sums[g][row]);
      else
        memset(sums[g][row], 0, sizeof sums[g][row]);
    }
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

/* Scales and stores the sums of one group for the rows [row, row + rows). */
static void finish_group(const linear_call *call, int32_t column, int32_t row, int32_t rows,
                         int32_t (*sums)[LANES]) {
  int32_t begin;
  const mamba_output *out = whole_output(call, column, &begin);
  if (!out) {
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
  const vfloat multiplier = v_load(call->multiplier + column);
  for (int32_t r = 0; r < rows; ++r) {
    vfloat v = v_mul(v_load_int32(sums[r]), multiplier);
    if (call->row_scale)
      v = v_mul(v, v_splat(call->row_scale[row + r]));
    if (call->bias)
      v = v_add(v, v_load(call->bias + column));
    v_store_values(*out, (int64_t)(row + r) * out->channels + (column - begin), column - begin, v);
  }
}

static void linear_panel(const linear_call *call, int32_t group, int32_t groups, int32_t all_rows) {
  const size_t group_stride = mamba_pack_group_offset(1, call->k);
  const int8_t *weights = call->weights + mamba_pack_group_offset(group, call->k);
  linear_chunk chunk;
  linear_sums sums;
  for (int32_t row = 0, rows; row < all_rows; row += rows) {
    rows = dot_tile_rows(all_rows - row);
    begin_sums(call, group, groups, rows, sums);
    for (int32_t at = 0; at < call->k; at += LINEAR_DEPTH) {
      const int32_t count = smaller(LINEAR_DEPTH, call->k - at);
      for (int32_t r = 0; r < rows; ++r)
        copy_chunk(call->x + (int64_t)(row + r) * call->k + at, count, chunk[r]);
      dot_panel(chunk[0], sizeof chunk[0], rows, weights + (size_t)at * MAMBA_PACK_ROWS, group_stride, groups,
                mamba_pack_depth_blocks(count), sums);
    }
    for (int32_t g = 0; g < groups; ++g)
      finish_group(call, (group + g) * LANES, row, rows, sums[g]);
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
  for (int32_t g = share_begin(groups, worker.index, worker.count); g < end; g += DOT_PANEL_GROUPS)
    linear_panel(&call, g, smaller(DOT_PANEL_GROUPS, end - g), rows);
}
