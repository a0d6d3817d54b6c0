/* How fast the host's memory can be read. */
#if defined(__unix__) || defined(__APPLE__)
#define _POSIX_C_SOURCE 200809L
#include <unistd.h>
#endif

#include "backend.h"
#include "failure.h"
#include "machine.h"
#include "threads.h"

#include <stdlib.h>
#include <string.h>

enum { LANES = 32, RUNS = 5, LEAST_BYTES = 256 << 20 };

typedef struct reading {
  uint64_t *words;
  size_t blocks;          /* of LANES words */
  volatile uint64_t sink; /* keeps the sums from being left out */
} reading;

/* Reads one word of each line of 64 bytes of the worker's share, from four places in turn: more lines are
 * under way than from one. */
static void read_share(void *context, mamba_worker worker) {
  enum { STREAMS = 4, LINE = 8 };
  reading *r = context;
  const size_t count = (size_t)worker.count, index = (size_t)worker.index;
  const size_t begin = r->blocks * index / count, blocks = r->blocks * (index + 1) / count - begin;
  const size_t stream = blocks / STREAMS * LANES;
  const uint64_t *words = r->words + begin * LANES;
  uint64_t sums[STREAMS] = {0}, total = 0;
  for (size_t i = 0; i < stream; i += LINE)
    for (size_t s = 0; s < STREAMS; ++s)
      sums[s] += words[s * stream + i];
  for (size_t s = 0; s < STREAMS; ++s)
    total += sums[s];
  if (total)
    r->sink = total;
}

static void write_share(void *context, mamba_worker worker) {
  const reading *r = context;
  const size_t count = (size_t)worker.count, index = (size_t)worker.index;
  const size_t begin = r->blocks * index / count, end = r->blocks * (index + 1) / count;
  memset(r->words + begin * LANES, 1, (end - begin) * LANES * sizeof(uint64_t));
}

static size_t buffer_bytes(void) {
  size_t bytes = LEAST_BYTES;
#ifdef _SC_LEVEL3_CACHE_SIZE
  const long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
  if (cache > 0 && (size_t)cache > bytes / 4)
    bytes = 4 * (size_t)cache;
#endif
  return bytes / (LANES * sizeof(uint64_t)) * (LANES * sizeof(uint64_t));
}

mamba_code mamba_read_bandwidth(int threads, double *bytes_per_second, mamba_error *error) {
  mamba_code code = MAMBA_CODE_OK;
  const size_t bytes = buffer_bytes();
  uint64_t *words = aligned_alloc(LANES * sizeof *words, bytes);
  mamba_pool *pool = mamba_pool_create(threads);
  if (!words || !pool) {
    code =
        mamba_failure(error, MAMBA_CODE_MEMORY, "no memory for %zu bytes, or for %d threads", bytes, threads);
    goto cleanup;
  }
  reading r = {.words = words, .blocks = bytes / (LANES * sizeof *words)};
  mamba_pool_run(pool, write_share, &r); /* every worker brings its own pages into being */
  double best = 0;
  for (int run = 0; run < RUNS; ++run) {
    const double begin = mamba_seconds();
    mamba_pool_run(pool, read_share, &r);
    const double speed = (double)bytes / (mamba_seconds() - begin);
    best = speed > best ? speed : best;
  }
  *bytes_per_second = best;
cleanup:
  mamba_pool_destroy(pool);
  free(words);
  return code;
}
