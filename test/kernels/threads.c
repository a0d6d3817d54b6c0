/* The pool: every worker runs once, the barrier holds everyone, more workers than processors work too. */
#include "threads.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#include <cmocka.h>

enum { MOST_WORKERS = 16, PHASES = 200, RUNS = 500 };

typedef struct Shared {
  mamba_pool *pool;
  atomic_int calls[MOST_WORKERS];
  atomic_int atPhase[PHASES];
  atomic_int early; /* workers that passed a barrier before all had come */
} Shared;

static void countCall(void *context, mamba_worker worker) {
  Shared *shared = context;
  atomic_fetch_add(&shared->calls[worker.index], 1);
}

static void walkPhases(void *context, mamba_worker worker) {
  Shared *shared = context;
  for (int phase = 0; phase < PHASES; ++phase) {
    atomic_fetch_add(&shared->atPhase[phase], 1);
    mamba_pool_barrier(shared->pool, worker);
    if (atomic_load(&shared->atPhase[phase]) != worker.count)
      atomic_fetch_add(&shared->early, 1);
  }
}

static const int counts[] = {1, 2, 3, 5, MOST_WORKERS};

static void testEveryWorkerRunsOnce(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof counts / sizeof counts[0]; ++i) {
    Shared shared = {.pool = mamba_pool_create(counts[i])};
    assert_non_null(shared.pool);
    assert_int_equal(mamba_pool_count(shared.pool), counts[i]);
    for (int run = 0; run < RUNS; ++run)
      mamba_pool_run(shared.pool, countCall, &shared);
    for (int worker = 0; worker < MOST_WORKERS; ++worker)
      assert_int_equal(atomic_load(&shared.calls[worker]), worker < counts[i] ? RUNS : 0);
    mamba_pool_destroy(shared.pool);
  }
}

static void testBarrierHoldsEveryone(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof counts / sizeof counts[0]; ++i) {
    Shared shared = {.pool = mamba_pool_create(counts[i])};
    assert_non_null(shared.pool);
    mamba_pool_run(shared.pool, walkPhases, &shared);
    assert_int_equal(atomic_load(&shared.early), 0);
    for (int phase = 0; phase < PHASES; ++phase)
      assert_int_equal(atomic_load(&shared.atPhase[phase]), counts[i]);
    mamba_pool_destroy(shared.pool);
  }
}

static void testCountsOutOfRangeAreRefused(void **state) {
  (void)state;
  assert_null(mamba_pool_create(0));
  assert_null(mamba_pool_create(-1));
  assert_null(mamba_pool_create(1025));
  mamba_pool_destroy(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(testEveryWorkerRunsOnce),
      cmocka_unit_test(testBarrierHoldsEveryone),
      cmocka_unit_test(testCountsOutOfRangeAreRefused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
