/* model.h on top of the generated program: memory, threads, and the cut of a sequence into chunks. */
#if defined(__unix__) || defined(__APPLE__)
#define _POSIX_C_SOURCE 200809L
#include <unistd.h>
#endif

#include "failure.h"
#include "model.h"
#include "program.h"
#include "weights.h"

#include <inttypes.h>
#include <stdlib.h>

struct mamba_model {
  mamba_weights weights;
  unsigned char *arena, *state;
  mamba_pool *pool;
};

/* What a saved state begins with. */
typedef struct state_header {
  char magic[8];
  uint64_t weights_hash, state_bytes;
} state_header;

static const mamba_program *const program = &mamba_model_program;
static const char state_magic[8] = {'M', 'A', 'M', 'B', 'A', 'S', 'T', '1'};

int32_t mamba_model_vocabulary(void) {
  return program->vocabulary;
}
int32_t mamba_model_end_of_text(void) {
  return program->end_of_text;
}
int32_t mamba_model_chunk(void) {
  return program->chunk;
}
int mamba_model_max_threads(void) {
  return program->max_threads;
}

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

mamba_code mamba_model_create(const char *weights_path, int threads, mamba_model **model,
                              mamba_error *error) {
  mamba_code code = MAMBA_CODE_OK;
  mamba_model *created = NULL;
  const char *broken = mamba_kernels_check_contract();
  if (broken) {
    code = mamba_failure(error, MAMBA_CODE_BUILD, "this build cannot be trusted: %s", broken);
    goto cleanup;
  }
  if (threads < 0 || threads > program->max_threads) {
    code = mamba_failure(error, MAMBA_CODE_ARGUMENT,
                         "expected 1 to %d threads (0: one for each processor), found %d",
                         program->max_threads, threads);
    goto cleanup;
  }
  created = calloc(1, sizeof *created);
  if (created) {
    created->arena = allocate(program->arena_bytes);
    created->state = allocate(program->state_bytes);
  }
  if (!created || !created->arena || !created->state) {
    code = mamba_failure(error, MAMBA_CODE_MEMORY, "no memory for %zu bytes of buffers and %zu of state",
                         program->arena_bytes, program->state_bytes);
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
  *model = created;
  created = NULL;
cleanup:
  mamba_model_destroy(created);
  return code;
}

void mamba_model_destroy(mamba_model *model) {
  if (!model)
    return;
  mamba_weights_close(&model->weights);
  mamba_pool_destroy(model->pool);
  free(model->arena);
  free(model->state);
  free(model);
}

static void forward(void *context, mamba_worker worker) {
  program->forward(context, worker);
}

/* Runs ids that were checked; the logits of the last `logit_rows` of them are wanted. */
static void run_chunks(mamba_model *model, const int32_t *ids, size_t count, size_t logit_rows,
                       float *logits) {
  const size_t chunk = (size_t)program->chunk;
  const size_t first_row = count - logit_rows;
  for (size_t done = 0; done < count;) {
    const size_t tokens = count - done < chunk ? count - done : chunk;
    const size_t skipped = first_row <= done ? 0 : first_row - done < tokens ? first_row - done : tokens;
    mamba_run run = {
        .ids = ids + done,
        .tokens = (int32_t)tokens,
        .logit_rows = (int32_t)(tokens - skipped),
        .logits = logits,
        .weights = model->weights.tensors,
        .arena = model->arena,
        .state = model->state,
        .pool = model->pool,
    };
    mamba_pool_run(model->pool, forward, &run);
    if (logits)
      logits += (tokens - skipped) * (size_t)program->vocabulary;
    done += tokens;
  }
}

static mamba_code check_ids(const int32_t *ids, size_t count, mamba_error *error) {
  for (size_t i = 0; i < count; ++i)
    if (ids[i] < 0 || ids[i] >= program->vocabulary)
      return mamba_failure(error, MAMBA_CODE_ARGUMENT,
                           "token %zu: expected an id from 0 to %" PRId32 ", found %" PRId32, i,
                           program->vocabulary - 1, ids[i]);
  return MAMBA_CODE_OK;
}

mamba_code mamba_model_prefill(mamba_model *model, const int32_t *ids, size_t count, float *logits,
                               mamba_error *error) {
  const mamba_code code = count || !logits
                              ? check_ids(ids, count, error)
                              : mamba_failure(error, MAMBA_CODE_ARGUMENT, "no ids, so no logits");
  if (!code)
    run_chunks(model, ids, count, logits ? 1 : 0, logits);
  return code;
}

mamba_code mamba_model_forward(mamba_model *model, const int32_t *ids, size_t count, float *logits,
                               mamba_error *error) {
  const mamba_code code = check_ids(ids, count, error);
  if (!code)
    run_chunks(model, ids, count, count, logits);
  return code;
}

mamba_code mamba_model_step(mamba_model *model, int32_t id, float *logits, mamba_error *error) {
  return mamba_model_prefill(model, &id, 1, logits, error);
}

void mamba_model_reset(mamba_model *model) {
  memset(model->state, 0, program->state_bytes);
}

size_t mamba_model_state_size(void) {
  return sizeof(state_header) + program->state_bytes;
}

void mamba_model_save_state(const mamba_model *model, void *bytes) {
  state_header header = {.weights_hash = program->weights_hash, .state_bytes = program->state_bytes};
  memcpy(header.magic, state_magic, sizeof header.magic);
  memcpy(bytes, &header, sizeof header);
  memcpy((unsigned char *)bytes + sizeof header, model->state, program->state_bytes);
}

mamba_code mamba_model_load_state(mamba_model *model, const void *bytes, size_t size, mamba_error *error) {
  state_header header;
  if (size != mamba_model_state_size())
    return mamba_failure(error, MAMBA_CODE_ARGUMENT, "a saved state has %zu bytes, found %zu",
                         mamba_model_state_size(), size);
  memcpy(&header, bytes, sizeof header);
  if (memcmp(header.magic, state_magic, sizeof header.magic) != 0 ||
      header.weights_hash != program->weights_hash || header.state_bytes != program->state_bytes)
    return mamba_failure(error, MAMBA_CODE_ARGUMENT, "not a saved state of this model");
  memcpy(model->state, (const unsigned char *)bytes + sizeof header, program->state_bytes);
  return MAMBA_CODE_OK;
}
