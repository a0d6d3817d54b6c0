/* dot_panel from the operations of a dot_<set>.h: register tiles of T tokens x G groups of 16 rows.
 *
 * A tile loads each block of weights once for its tokens and each x once for its groups: with 8 x 2 the
 * dot products and not the loads are the limit. One or two tokens (decode) are bound by the memory that
 * the weights come from; they take four groups at once, so that enough dot products are in flight. */

#include "../pack.h"
#include "../portable/common.h"

enum { DOT_PANEL_GROUPS = 8, DOT_SUM_GROUPS = DOT_DECODE_GROUPS };

/* Nothing to set up for dot_panel. */
static inline void dot_begin(void) {}

static inline void dot_end(void) {}

/* sums[g][t] += the dot products of T tokens with G groups over `blocks` blocks of k; where `begin` is set
 * the sums of a group begin with its LANES values there, the zeros of all groups or each one's offsets. T and
 * G are constants of the caller. Each loop is one over all sums, not two nested ones: gcc unrolls those too
 * late to keep s in registers. The loads that several sums share are left to the compiler to merge. */
static inline __attribute__((always_inline)) void
packed_tile(const int T, const int G, const uint8_t *x, size_t x_stride, const int8_t *w, size_t group_stride,
            int32_t blocks, const int32_t *begin, int32_t (*sums)[DOT_TILE_ROWS][LANES]) {
  dot_sums s[16];
#pragma GCC unroll 16
  for (int i = 0; i < T * G; ++i)
    s[i] = dot_load_sums(begin ? begin + (DOT_FLIP ? i % G * LANES : 0) : sums[i % G][i / G]);
  for (int32_t block = 0; block < blocks; ++block, x += MAMBA_PACK_DEPTH, w += MAMBA_PACK_BLOCK) {
#pragma GCC unroll 4
    for (int g = 0; g < G; ++g)
      __builtin_prefetch(w + (size_t)(G + g) * group_stride, 0, 2);
#pragma GCC unroll 16
    for (int i = 0; i < T * G; ++i)
      s[i] = dot_add(s[i], dot_load_weights(w + (size_t)(i % G) * group_stride),
                     dot_load_input(x + (size_t)(i / G) * x_stride));
  }
#pragma GCC unroll 16
  for (int i = 0; i < T * G; ++i)
    dot_store_sums(sums[i % G][i / G], s[i]);
}

/* The tokens of the next tile, of `left`: dot_panel has code for these numbers only. */
static int32_t dot_tile_rows(int32_t left) {
  if (left >= DOT_TILE_ROWS)
    return DOT_TILE_ROWS;
  return left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

#define DOT_BEGIN(g) (begin ? begin + (DOT_FLIP ? (g)*LANES : 0) : NULL)

/* All groups of a panel for T tokens, G groups at a time while they last. */
#define DOT_TOKENS(T, G)                                                                                     \
  do {                                                                                                       \
    int32_t g = 0;                                                                                           \
    for (; g + (G) <= groups; g += (G))                                                                      \
      packed_tile(T, G, x, x_stride, w + (size_t)g * group_stride, group_stride, blocks, DOT_BEGIN(g),       \
                  sums + g);                                                                                 \
    for (; g < groups; ++g)                                                                                  \
      packed_tile(T, 1, x, x_stride, w + (size_t)g * group_stride, group_stride, blocks, DOT_BEGIN(g),       \
                  sums + g);                                                                                 \
  } while (0)

static void dot_panel(const uint8_t *x, size_t x_stride, int32_t rows, const int8_t *w, size_t group_stride,
                      int32_t groups, int32_t blocks, const int32_t *begin,
                      int32_t (*sums)[DOT_TILE_ROWS][LANES]) {
  if (rows == 1)
    DOT_TOKENS(1, DOT_DECODE_GROUPS);
  else if (rows == 2)
    DOT_TOKENS(2, DOT_DECODE_GROUPS / 2);
  else if (DOT_TILE_ROWS > 4 && rows == 4)
    DOT_TOKENS(4, DOT_TILE_GROUPS);
  else if (DOT_TILE_ROWS > 2)
    DOT_TOKENS(DOT_TILE_ROWS, DOT_TILE_GROUPS);
}
