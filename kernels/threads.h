/* A small pool of threads: the same function on every worker, and a barrier inside it. */
#ifndef MAMBA_THREADS_H
#define MAMBA_THREADS_H

#include "mamba_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mamba_pool mamba_pool;

/* A pool of `count` workers (1 to 1024), count - 1 of them threads that wait; with a count of 1 none is
 * made. NULL when count is out of range, or memory or threads are refused. */
mamba_pool *mamba_pool_create(int count);

int mamba_pool_count(const mamba_pool *pool);

/* Runs fn(context, worker) on every worker and returns when all have finished. The caller is worker 0;
 * one call at a time. */
void mamba_pool_run(mamba_pool *pool, void (*fn)(void *context, mamba_worker worker), void *context);

/* Returns when every worker of the running function has called it as often. */
void mamba_pool_barrier(mamba_pool *pool, mamba_worker worker);

/* Ends the threads. NULL is allowed. */
void mamba_pool_destroy(mamba_pool *pool);

#ifdef __cplusplus
}
#endif
#endif
