#include "mamba/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t = {0};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

MambaProgress mambaProgressStart(const char *what, const char *unit, int64_t total) {
  const MambaProgress progress = {.what = what, .unit = unit, .total = total, .start = now()};
  return progress;
}

void mambaProgressUpdate(MambaProgress *progress, int64_t done, const char *note) {
  const double time = now();
  if (!isatty(STDERR_FILENO) || time - progress->start < 1 || time - progress->last < 0.1)
    return;
  const double left =
      done > 0 ? (time - progress->start) * (double)(progress->total - done) / (double)done : 0;
  fprintf(stderr, "\r\033[K%s: %" PRId64 " of %" PRId64 " %s, %.0f s left%s%s", progress->what, done,
          progress->total, progress->unit, left, note ? ", " : "", note ? note : "");
  fflush(stderr);
  progress->last = time;
  progress->shown = true;
}

void mambaProgressEnd(MambaProgress *progress) {
  if (progress->shown)
    fputs("\r\033[K", stderr);
  progress->shown = false;
}
