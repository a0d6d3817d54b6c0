/* One line on the terminal that says how far a long job is. */
#ifndef MAMBA_PROGRESS_H
#define MAMBA_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct MambaProgress {
  const char *what; /* "calibrating" */
  const char *unit; /* "tokens" */
  int64_t total;
  bool shown;
  double start, last; /* seconds */
} MambaProgress;

/* Nothing is printed when standard error is not a terminal, nor during the first second. */
MambaProgress mambaProgressStart(const char *what, const char *unit, int64_t total);
/* Draws the line again, at most ten times a second. `note` is appended when it is not NULL. */
void mambaProgressUpdate(MambaProgress *progress, int64_t done, const char *note);
/* Clears the line. */
void mambaProgressEnd(MambaProgress *progress);

#ifdef __cplusplus
}
#endif
#endif
