/* A model in the memory of the host, run by a pool of threads. */
#if defined(__unix__) || defined(__APPLE__)
#define _POSIX_C_SOURCE 200809L
#include <unistd.h>
#endif

#include "backend.h"
#include "failure.h"
#include "program_cpu.h"
#include "sampling.h"
#include "weights.h"

#include <inttypes.h>
#include <stdlib.h>

struct mamba_backend {
  mamba_weights weights;
  unsigned char *arena, *state;
  unsigned char *table; /* see mamba_run */
  int32_t *ids;
  float *logits; /* of which only the largest is wanted: [capacity, vocabulary] */
  int32_t capacity;
  mamba_layer_observer observer; /* NULL for none */
  void *observer_context;
  mamba_pool *pool;
};

static const mamba_program *const program = &mamba_model_program;

static int processors(void) {
#ifdef _SC_NPROCESSORS_ONLN
  const long count = sysconf(_SC_NPROCESSORS_ONLN);
  return count < 1 ? 1 : count > program->max_threads ? program->max_threads : (int)count;
#else
  return 1;
#endif
}

/* Zeroed and aligned for vectors; at least one byte. */
static unsigned char *allocate(size_t bytes) {
  const size_t rounded = (bytes / MAMBA_WEIGHTS_ALIGNMENT + 1) * MAMBA_WEIGHTS_ALIGNMENT;
  unsigned char *memory = aligned_alloc(MAMBA_WEIGHTS_ALIGNMENT, rounded);
  if (memory)
    memset(memory, 0, rounded);
  return memory;
}

mamba_code mamba_backend_create(const char *weights_path, int threads, int32_t sequences,
                                mamba_backend **backend, mamba_error *error) {
  mamba_code code = MAMBA_CODE_OK;
  mamba_backend *created = NULL;
  const char *broken = mamba_kernels_check_contract();
  if (broken) {
    code = mamba_failure(error, MAMBA_CODE_BUILD, "this build cannot be trusted: %s", broken);
    goto cleanup;
  }
  created = calloc(1, sizeof *created);
  if (created) {
    created->capacity = sequences;
    created->arena = allocate(program->arena_bytes);
    created->table = allocate((size_t)program->chunk * program->row_bytes);
    created->ids = malloc((size_t)program->chunk * sizeof *created->ids);
    created->logits = malloc((size_t)sequences * (size_t)program->vocabulary * sizeof *created->logits);
    if (program->state_bytes <= SIZE_MAX / 2 / (size_t)sequences)
      created->state = allocate(program->state_bytes * (size_t)sequences);
  }
  if (!created || !created->arena || !created->table || !created->ids || !created->logits ||
      !created->state) {
    code = mamba_failure(error, MAMBA_CODE_MEMORY,
                         "no memory for %zu bytes of buffers and %" PRId32 " times %zu of state",
                         program->arena_bytes, sequences, program->state_bytes);
    goto cleanup;
  }
  created->pool = mamba_pool_create(threads ? threads : processors());
  if (!created->pool) {
    code = mamba_failure(error, MAMBA_CODE_MEMORY, "the system refuses %d threads", threads);
    goto cleanup;
  }
  code = mamba_weights_open(weights_path, program->weights_bytes, program->weights_hash, &created->weights,
                            error);
  if (code)
    goto cleanup;
  *backend = created;
  created = NULL;
cleanup:
  mamba_backend_destroy(created);
  return code;
}

void mamba_backend_destroy(mamba_backend *backend) {
  if (!backend)
    return;
  mamba_weights_close(&backend->weights);
  mamba_pool_destroy(backend->pool);
  free(backend->logits);
  free(backend->ids);
  free(backend->table);
  free(backend->arena);
  free(backend->state);
  free(backend);
}

static void forward(void *run, mamba_worker worker) {
  mamba_program_forward(run, worker);
}

/* Fetches the embedding's rows of a chunk. */
static mamba_code fetch(mamba_backend *backend, const mamba_chunk *chunk, mamba_error *error) {
  const size_t bytes = program->row_bytes;
  mamba_code code = MAMBA_CODE_OK;
  for (int32_t row = 0; row < chunk->sequences * chunk->tokens && !code; ++row) {
    backend->ids[row] = row;
    code = mamba_weights_read(&backend->weights, program->table_offset + (size_t)chunk->ids[row] * bytes,
                              bytes, backend->table + (size_t)row * bytes, error);
  }
  return code;
}

mamba_code mamba_backend_run(mamba_backend *backend, const mamba_chunk *chunk, mamba_error *error) {
  const mamba_code code = fetch(backend, chunk, error);
  if (code)
    return code;
  mamba_run run = {
      .table = backend->table,
      .ids = backend->ids,
      .sequences = chunk->sequences,
      .tokens = chunk->tokens,
      .logit_rows = chunk->logit_rows,
      .logits = chunk->logits ? chunk->logits : backend->logits,
      .weights = backend->weights.tensors,
      .arena = backend->arena,
      .state = backend->state,
      .first = chunk->first,
      .capacity = backend->capacity,
      .observer = backend->observer,
      .observer_context = backend->observer_context,
      .pool = backend->pool,
  };
  mamba_pool_run(backend->pool, forward, &run);
  for (int32_t row = 0; chunk->best && row < chunk->logit_rows; ++row) {
    const float *logits = run.logits + (size_t)row * (size_t)program->vocabulary;
    chunk->best[row] = chunk->draws ? mamba_draw_token(&chunk->draws[row], logits, program->vocabulary)
                                    : mamba_largest_logit(logits, program->vocabulary);
  }
  return MAMBA_CODE_OK;
}

mamba_code mamba_backend_observe(mamba_backend *backend, mamba_layer_observer observer, void *context,
                                 mamba_error *error) {
  (void)error;
  backend->observer = observer;
  backend->observer_context = context;
  return MAMBA_CODE_OK;
}

static unsigned char *state_of(const mamba_backend *backend, int32_t sequence, int index) {
  return mamba_state_of(backend->state, backend->capacity, sequence, index);
}

mamba_code mamba_backend_reset(mamba_backend *backend, int32_t first, int32_t count, mamba_error *error) {
  (void)error;
  for (int i = 0; i < program->state_count; ++i)
    memset(state_of(backend, first, i), 0, program->states[i].bytes * (size_t)count);
  return MAMBA_CODE_OK;
}

mamba_code mamba_backend_read_state(const mamba_backend *backend, int32_t sequence, unsigned char *bytes,
                                    mamba_error *error) {
  (void)error;
  for (int i = 0; i < program->state_count; ++i)
    memcpy(bytes + program->states[i].offset, state_of(backend, sequence, i), program->states[i].bytes);
  return MAMBA_CODE_OK;
}

mamba_code mamba_backend_write_state(mamba_backend *backend, int32_t sequence, const unsigned char *bytes,
                                     mamba_error *error) {
  (void)error;
  for (int i = 0; i < program->state_count; ++i)
    memcpy(state_of(backend, sequence, i), bytes + program->states[i].offset, program->states[i].bytes);
  return MAMBA_CODE_OK;
}

const char *mamba_backend_name(void) {
  return mamba_kernels_instruction_set();
}

size_t mamba_backend_device_bytes(int32_t sequences) {
  (void)sequences;
  return 0;
}
