/* Where to saturate: the int8 scale of least squared error. */
#include "statistics.h"

#include <math.h>

enum { CANDIDATES = 65, PER_OCTAVE = 16 };

/* What values in the middle of an octave's bins are off by. A loop of its own, so that compilers make vectors
 * of it: adding ROUND rounds a small number as nearbyint does. */
static void findErrors(int exponent, double scale, double *errors) {
  const double ROUND = 0x1.8p52, first = mambaStatisticsBinValue(exponent, 0);
  const double width = mambaStatisticsBinValue(exponent, 1) - first;
  for (int b = 0; b < BIN_COUNT; ++b) {
    const double value = first + b * width, steps = value / scale;
    errors[b] = value - scale * ((steps < 127 ? steps : 127) + ROUND - ROUND);
  }
}

/* INFINITY where the sum reaches `least`. */
static double squaredError(const MambaStatistics *s, double limit, double least) {
  double sum = 0;
  for (int e = 0; e < EXPONENT_COUNT && sum < least; ++e) {
    if (!s->octaves[e])
      continue;
    double errors[BIN_COUNT];
    findErrors(e, limit / 127, errors);
    for (int b = 0; b < BIN_COUNT; ++b)
      sum += (double)s->octaves[e]->bins[b] * errors[b] * errors[b];
  }
  return sum < least ? sum : INFINITY;
}

double mambaStatisticsGetFittedLimit(const MambaStatistics *s) {
  const double absmax = mambaStatisticsGetAbsmax(s);
  double best = absmax, least = INFINITY;
  for (int k = 0; absmax > 0 && k < CANDIDATES; ++k) {
    const double limit = absmax * exp2(-(double)k / PER_OCTAVE);
    const double error = squaredError(s, limit, least);
    if (error < least) {
      least = error;
      best = limit;
    }
  }
  return best;
}
