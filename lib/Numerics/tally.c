/* Counting values fast. To count into bins is cheap, to add to the sums of a value's own octave is not: every
 * value would read and write sums that the one before it may just have changed. So the values of a block are
 * sorted by exponent first, and each exponent's are then summed at once, in a loop that compilers make
 * vectors of. */
#include "tally.h"

#include "mamba/half.h"

#include <stdlib.h>

enum {
  SPARE_BITS = 4,   /* m << 4 still fits 28 bits, so that the upper half of its square is m^2 >> 24 */
  SUM_VALUES = 128, /* whose m add up to less than 2^31, and squares of m << 4 to less than 2^63 */
};

MambaStatus mambaTallyCreate(MambaTally **tally, MambaError *error) {
  *tally = calloc(1, sizeof **tally);
  return *tally ? MAMBA_OK : mambaFail(error, MAMBA_NO_MEMORY, "statistics: out of memory");
}

void mambaTallyDestroy(MambaTally *tally) {
  free(tally);
}

static uint32_t hiddenBit(int exponent) {
  return exponent > 0 ? UINT32_C(1) << 23 : 0;
}

/* Adds at most SUM_VALUES floats of one exponent, given as bits. */
static void addMoments(TallyMoments *moments, const uint32_t *values, ptrdiff_t count, uint32_t hidden) {
  int32_t sum = 0;
  uint64_t squares = 0, low = 0; /* of m << 4; and their lower halves, (m^2 mod 2^24) << 8 */
  for (ptrdiff_t i = 0; i < count; ++i) {
    const uint32_t m = (values[i] & 0x7fffff) | hidden;
    const uint64_t wide = m << SPARE_BITS, square = wide * wide;
    const int32_t sign = -(int32_t)(values[i] >> 31); /* 0, or -1, and (a ^ -1) + 1 is -a */
    sum += ((int32_t)m ^ sign) - sign;
    squares += square;
    low += square & UINT32_MAX;
  }
  moments->sum += sum;
  moments->squareLow += (int64_t)(low >> (2 * SPARE_BITS));
  moments->squareHigh += (int64_t)((squares - low) >> 32);
}

static void addBlock(MambaTally *tally, const float *values, int64_t count) {
  uint32_t *ends[ALL_EXPONENTS], *const counts = tally->counts[0][0]; /* a float's upper bits are its place */
  for (int e = 0; e < ALL_EXPONENTS; ++e)
    ends[e] = tally->sorted[e];
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t bits = mambaFloatBits(values[i]);
    counts[bits >> HIDDEN_BITS]++;
    *ends[bits >> 23 & 0xff]++ = bits;
  }
  for (int e = 0; e < EXPONENT_COUNT; ++e) {
    tally->totals[e] += ends[e] - tally->sorted[e];
    for (const uint32_t *at = tally->sorted[e]; at < ends[e]; at += SUM_VALUES)
      addMoments(&tally->moments[e], at, ends[e] - at < SUM_VALUES ? ends[e] - at : SUM_VALUES, hiddenBit(e));
  }
  const int64_t non_finite = ends[EXPONENT_COUNT] - tally->sorted[EXPONENT_COUNT];
  tally->nonFinite += non_finite;
  tally->finite += count - non_finite;
}

void mambaTallyAdd(MambaTally *tally, const float *values, int64_t count) {
  for (int64_t at = 0; at < count; at += TALLY_BLOCK)
    addBlock(tally, values + at, count - at < TALLY_BLOCK ? count - at : TALLY_BLOCK);
}

/* The cube of a value in a bin of an exponent, as Octave has it. */
static int64_t cubeOf(int exponent, int bin) {
  const int64_t t = 2 * ((int64_t)(hiddenBit(exponent) >> HIDDEN_BITS) + bin) + 1;
  return t * t * t >> CUBE_BITS;
}

void mambaTallyMoveOctave(MambaTally *tally, int exponent, Octave *octave) {
  uint32_t *const positive = tally->counts[0][exponent], *const negative = tally->counts[1][exponent];
  TallyMoments *const moments = &tally->moments[exponent];
  for (int b = 0; b < BIN_COUNT; ++b) {
    octave->bins[b] += (int64_t)positive[b] + negative[b];
    octave->cubes += ((int64_t)positive[b] - negative[b]) * cubeOf(exponent, b);
    positive[b] = negative[b] = 0;
  }
  octave->sum += moments->sum;
  octave->squareLow += moments->squareLow;
  octave->squareHigh += moments->squareHigh;
  *moments = (TallyMoments){0};
  tally->totals[exponent] = 0;
}
