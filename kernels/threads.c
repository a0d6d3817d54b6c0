/* See threads.h. Waiting is one thing here, a gate: a number that only grows, and sleepers that want to
 * see it change. A waiter looks at it for some microseconds, because the next kernel is usually that
 * near, then sleeps, so that more workers than processors cost little. */
#include "threads.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { SPINS = 4000, MAX_WORKERS = 1024 };

typedef struct gate {
  atomic_uint number;
  atomic_uint sleepers;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
} gate;

typedef struct pool_thread {
  pthread_t thread;
  mamba_pool *pool;
  int index;
} pool_thread;

struct mamba_pool {
  int count;   /* workers, the caller among them */
  int started; /* threads that exist */
  bool stop;
  void (*fn)(void *context, mamba_worker worker);
  void *context;
  gate start;          /* opened once per run */
  gate barrier;        /* opened by the last worker that arrives */
  atomic_uint arrived; /* workers at the barrier */
  pool_thread threads[];
};

static void pause_briefly(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* Returns when the gate's number is no longer `seen`. */
static void gate_wait(gate *g, unsigned seen) {
  for (int i = 0; i < SPINS; ++i) {
    if (atomic_load_explicit(&g->number, memory_order_acquire) != seen)
      return;
    pause_briefly();
  }
  /* A sleeper announces itself before it looks again and the opener changes the number before it looks
   * for sleepers, both sequentially consistent: one of them sees the other. */
  pthread_mutex_lock(&g->mutex);
  atomic_fetch_add(&g->sleepers, 1);
  while (atomic_load(&g->number) == seen)
    pthread_cond_wait(&g->changed, &g->mutex);
  atomic_fetch_sub(&g->sleepers, 1);
  pthread_mutex_unlock(&g->mutex);
}

static void gate_open(gate *g) {
  atomic_fetch_add(&g->number, 1);
  if (atomic_load(&g->sleepers) > 0) {
    pthread_mutex_lock(&g->mutex);
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->mutex);
  }
}

static bool gate_init(gate *g) {
  atomic_init(&g->number, 0);
  atomic_init(&g->sleepers, 0);
  if (pthread_mutex_init(&g->mutex, NULL) != 0)
    return false;
  if (pthread_cond_init(&g->changed, NULL) == 0)
    return true;
  pthread_mutex_destroy(&g->mutex);
  return false;
}

static void gate_destroy(gate *g) {
  pthread_cond_destroy(&g->changed);
  pthread_mutex_destroy(&g->mutex);
}

/* Every worker of a run arrives once per barrier, so that the last one can be told by counting. */
void mamba_pool_barrier(mamba_pool *pool, mamba_worker worker) {
  if (worker.count == 1)
    return;
  const unsigned seen = atomic_load_explicit(&pool->barrier.number, memory_order_relaxed);
  if (atomic_fetch_add(&pool->arrived, 1) + 1 == (unsigned)worker.count) {
    atomic_store(&pool->arrived, 0);
    gate_open(&pool->barrier);
  } else {
    gate_wait(&pool->barrier, seen);
  }
}

static void *thread_main(void *argument) {
  pool_thread *self = argument;
  mamba_pool *pool = self->pool;
  const mamba_worker worker = {self->index, pool->count};
  for (unsigned run = 0;; ++run) {
    gate_wait(&pool->start, run);
    if (pool->stop)
      return NULL;
    pool->fn(pool->context, worker);
    mamba_pool_barrier(pool, worker);
  }
}

mamba_pool *mamba_pool_create(int count) {
  if (count < 1 || count > MAX_WORKERS)
    return NULL;
  mamba_pool *pool = calloc(1, sizeof *pool + (size_t)(count - 1) * sizeof pool->threads[0]);
  if (!pool)
    return NULL;
  pool->count = count;
  if (!gate_init(&pool->start))
    goto free_pool;
  if (!gate_init(&pool->barrier))
    goto destroy_start;
  while (pool->started < count - 1) {
    pool_thread *thread = &pool->threads[pool->started];
    thread->pool = pool;
    thread->index = pool->started + 1;
    if (pthread_create(&thread->thread, NULL, thread_main, thread) != 0) {
      mamba_pool_destroy(pool);
      return NULL;
    }
    pool->started++;
  }
  return pool;
destroy_start:
  gate_destroy(&pool->start);
free_pool:
  free(pool);
  return NULL;
}

int mamba_pool_count(const mamba_pool *pool) {
  return pool->count;
}

void mamba_pool_run(mamba_pool *pool, void (*fn)(void *context, mamba_worker worker), void *context) {
  const mamba_worker worker = {0, pool->count};
  if (pool->count > 1) {
    pool->fn = fn;
    pool->context = context;
    gate_open(&pool->start);
  }
  fn(context, worker);
  mamba_pool_barrier(pool, worker);
}

void mamba_pool_destroy(mamba_pool *pool) {
  if (!pool)
    return;
  pool->stop = true;
  gate_open(&pool->start);
  for (int i = 0; i < pool->started; ++i)
    pthread_join(pool->threads[i].thread, NULL);
  gate_destroy(&pool->barrier);
  gate_destroy(&pool->start);
  free(pool);
}
