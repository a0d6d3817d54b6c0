/* Worker threads for the compiler and its tools. */
#ifndef MAMBA_POOL_H
#define MAMBA_POOL_H

#include "kernels/threads.h"
#include "mamba/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { MAMBA_POOL_MOST = 64 }; /* workers that are made where no number is given */

/* A pool of `threads` workers (1 to 1024), or with 0 of as many as the machine has processors, at most
 * MAMBA_POOL_MOST. MAMBA_INVALID where the number is out of range or the system refuses. The caller ends it
 * with mamba_pool_destroy. */
MAMBA_MUST_CHECK MambaStatus mambaPoolCreate(int64_t threads, mamba_pool **pool, MambaError *error);

#ifdef __cplusplus
}
#endif
#endif
