#if defined(__unix__) || defined(__APPLE__)
#define _POSIX_C_SOURCE 200809L
#define MAMBA_IS_POSIX 1
#include <sys/resource.h>
#include <unistd.h>
#endif

#include "machine.h"

#include <time.h>

double mamba_seconds(void) {
  struct timespec now;
#ifdef MAMBA_IS_POSIX
  clock_gettime(CLOCK_MONOTONIC, &now);
#else
  timespec_get(&now, TIME_UTC);
#endif
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

size_t mamba_peak_memory(void) {
#ifdef MAMBA_IS_POSIX
  struct rusage usage;
#ifdef __APPLE__
  const size_t unit = 1; /* macOS counts bytes, others KiB */
#else
  const size_t unit = 1024;
#endif
  return getrusage(RUSAGE_SELF, &usage) ? 0 : (size_t)usage.ru_maxrss * unit;
#else
  return 0;
#endif
}
