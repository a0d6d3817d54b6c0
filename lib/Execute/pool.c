#include "mamba/pool.h"

#include <inttypes.h>
#include <unistd.h>

MambaStatus mambaPoolCreate(int64_t threads, mamba_pool **pool, MambaError *error) {
  if (threads == 0) {
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    threads = processors < 1 ? 1 : processors > MAMBA_POOL_MOST ? MAMBA_POOL_MOST : processors;
  }
  *pool = threads < 1 || threads > INT32_MAX ? NULL : mamba_pool_create((int)threads);
  if (*pool)
    return MAMBA_OK;
  return mambaFail(error, MAMBA_INVALID,
                   "threads: expected a number from 1 to 1024 that the system grants, found %" PRId64,
                   threads);
}
