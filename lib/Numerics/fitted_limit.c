/* Where to saturate: the int8 scale of least squared error. */
#include "statistics.h"

#include <math.h>

enum { CANDIDATES = 65, PER_OCTAVE = 16 };

static double squaredError(const MambaStatistics *s, double limit) {
  const double scale = limit / 127;
  double sum = 0;
  for (int e = 0; e < EXPONENT_COUNT; ++e) {
    for (int b = 0; s->octaves[e] && b < BIN_COUNT; ++b) {
      const int64_t count = s->octaves[e]->bins[b];
      if (!count)
        continue;
      const double value = mambaStatisticsBinValue(e, b);
      const double error = value - scale * fmin(nearbyint(value / scale), 127);
      sum += (double)count * error * error;
    }
  }
  return sum;
}

double mambaStatisticsGetFittedLimit(const MambaStatistics *s) {
  const double absmax = mambaStatisticsGetAbsmax(s);
  double best = absmax, least = INFINITY;
  for (int k = 0; absmax > 0 && k < CANDIDATES; ++k) {
    const double limit = absmax * exp2(-(double)k / PER_OCTAVE);
    const double error = squaredError(s, limit);
    if (error < least) {
      least = error;
      best = limit;
    }
  }
  return best;
}
