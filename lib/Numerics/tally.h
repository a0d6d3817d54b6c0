/* The values that are being added to a record: MambaTally of mamba/statistics.h. */
#ifndef MAMBA_NUMERICS_TALLY_H
#define MAMBA_NUMERICS_TALLY_H

#include "statistics.h"

enum {
  ALL_EXPONENTS = EXPONENT_COUNT + 1, /* with that of infinities and NaN */
  TALLY_BLOCK = 4096,                 /* values that are sorted at a time */
};

/* Sums over the values of one exponent, as in Octave. */
typedef struct TallyMoments {
  int64_t sum, squareLow, squareHigh;
} TallyMoments;

/* 6 MiB, of which memory is taken for the exponents that occur: some 30 KiB each. */
struct MambaTally {
  uint32_t counts[2][ALL_EXPONENTS][BIN_COUNT]; /* by sign, exponent, and upper mantissa bits */
  uint32_t sorted[ALL_EXPONENTS][TALLY_BLOCK];  /* the bits of a block's values */
  TallyMoments moments[EXPONENT_COUNT];
  int64_t totals[EXPONENT_COUNT]; /* values of each finite exponent */
  int64_t finite, nonFinite;      /* values */
};

/* Moves the values of one finite exponent to its octave. Distinct exponents may be moved at once. */
void mambaTallyMoveOctave(MambaTally *tally, int exponent, Octave *octave);

#endif
