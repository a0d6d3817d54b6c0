/* The record behind mamba/statistics.h, shared by its arithmetic and its JSON form. */
#ifndef MAMBA_NUMERICS_STATISTICS_H
#define MAMBA_NUMERICS_STATISTICS_H

#include "mamba/statistics.h"

enum {
  BIN_BITS = 10,               /* mantissa bits that tell bins apart: a relative width of 2^-10 */
  BIN_COUNT = 1 << BIN_BITS,   /* bins of one exponent */
  EXPONENT_COUNT = 255,        /* biased exponents of finite floats */
  HIDDEN_BITS = 23 - BIN_BITS, /* mantissa bits that a bin does not see */
  SQUARE_LOW_BITS = 24,        /* of squares, and */
  CUBE_BITS = 9                /* what is dropped of cubes: see Octave */
};

/* 2^36 values of 24 bits, and cubes of 27, keep every sum below 2^63. */
#define MAX_VALUES (INT64_C(1) << 36)

/* The values of one biased exponent e, which are +-m * 2^(max(e, 1) - 150) with m < 2^24. */
typedef struct Octave {
  int64_t sum;                   /* of +-m */
  int64_t squareLow, squareHigh; /* sums of m^2 mod 2^24 and of m^2 / 2^24 */
  int64_t cubes;           /* sum of +-floor(t^3 / 2^9), t = 2 floor(m / 2^13) + 1: m is about t * 2^12 */
  int64_t bins[BIN_COUNT]; /* how many have these upper mantissa bits */
} Octave;

struct MambaStatistics {
  int64_t channels, count, nonFinite;
  float *absmax, *min, *max;       /* one allocation of 3 C, at absmax */
  Octave *octaves[EXPONENT_COUNT]; /* NULL where no value has the exponent */
};

/* The magnitude in the middle of a bin. */
double mambaStatisticsBinValue(int exponent, int bin);

/* The octave of an exponent, made when it is new. NULL when memory runs out. */
Octave *mambaStatisticsTouch(MambaStatistics *statistics, int exponent);

#endif
