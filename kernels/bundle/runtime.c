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
  int32_t *ids;            /* of one chunk, when they come from several sequences: [chunk] */
  int32_t capacity;        /* sequences */
  int32_t first, selected; /* those that calls are about */
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

mamba_code mamba_model_create(const char *weights_path, int threads, int32_t sequences, mamba_model **model,
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
  if (sequences < 1 || sequences > program->chunk) {
    code = mamba_failure(error, MAMBA_CODE_ARGUMENT, "expected 1 to %" PRId32 " sequences, found %" PRId32,
                         program->chunk, sequences);
    goto cleanup;
  }
  created = calloc(1, sizeof *created);
  if (created) {
    created->capacity = created->selected = sequences;
    created->ids = malloc((size_t)program->chunk * sizeof *created->ids);
    created->arena = allocate(program->arena_bytes);
    if (program->state_bytes <= SIZE_MAX / 2 / (size_t)sequences)
      created->state = allocate(program->state_bytes * (size_t)sequences);
  }
  if (!created || !created->ids || !created->arena || !created->state) {
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
  free(model->ids);
  free(model->arena);
  free(model->state);
  free(model);
}

mamba_code mamba_model_select(mamba_model *model, int32_t first, int32_t count, mamba_error *error) {
  if (first < 0 || first >= model->capacity || count < 1 || count > model->capacity - first)
    return mamba_failure(error, MAMBA_CODE_ARGUMENT,
                         "expected some of %" PRId32 " sequences, found %" PRId32 " from %" PRId32 " on",
                         model->capacity, count, first);
  model->first = first;
  model->selected = count;
  return MAMBA_CODE_OK;
}

static void forward(void *context, mamba_worker worker) {
  program->forward(context, worker);
}

/* The ids of a chunk, side by side: those from `begin` on of rows of `count`. */
static const int32_t *chunk_ids(mamba_model *model, const int32_t *ids, size_t count, size_t begin,
                                size_t tokens) {
  if (model->selected == 1)
    return ids + begin;
  for (size_t s = 0; s < (size_t)model->selected; ++s)
    memcpy(model->ids + s * tokens, ids + s * count + begin, tokens * sizeof *ids);
  return model->ids;
}

/* Runs tokens [begin, end) of ids [selected, count], which were checked; the logits of the last `logit_rows`
 * rows are wanted: of a single sequence, or of single tokens of several. */
static void run_chunks(mamba_model *model, const int32_t *ids, size_t count, size_t begin, size_t end,
                       size_t logit_rows, float *logits) {
  const size_t sequences = (size_t)model->selected, chunk = (size_t)program->chunk / sequences;
  for (size_t done = begin; done < end;) {
    const size_t tokens = end - done < chunk ? end - done : chunk;
    const size_t rows = sequences * tokens, later = sequences * (end - done - tokens);
    const size_t wanted = logit_rows <= later ? 0 : logit_rows - later < rows ? logit_rows - later : rows;
    mamba_run run = {
        .ids = chunk_ids(model, ids, count, done, tokens),
        .sequences = model->selected,
        .tokens = (int32_t)tokens,
        .logit_rows = (int32_t)wanted,
        .logits = logits,
        .weights = model->weights.tensors,
        .arena = model->arena,
        .state = model->state,
        .first = model->first,
        .capacity = model->capacity,
        .pool = model->pool,
    };
    mamba_pool_run(model->pool, forward, &run);
    if (logits)
      logits += wanted * (size_t)program->vocabulary;
    done += tokens;
  }
}

static mamba_code check_ids(const mamba_model *model, const int32_t *ids, size_t count, mamba_error *error) {
  for (size_t i = 0; i < count * (size_t)model->selected; ++i)
    if (ids[i] < 0 || ids[i] >= program->vocabulary)
      return mamba_failure(error, MAMBA_CODE_ARGUMENT,
                           "token %zu: expected an id from 0 to %" PRId32 ", found %" PRId32, i,
                           program->vocabulary - 1, ids[i]);
  return MAMBA_CODE_OK;
}

mamba_code mamba_model_prefill(mamba_model *model, const int32_t *ids, size_t count, float *logits,
                               mamba_error *error) {
  const mamba_code code = count || !logits
                              ? check_ids(model, ids, count, error)
                              : mamba_failure(error, MAMBA_CODE_ARGUMENT, "no ids, so no logits");
  if (code)
    return code;
  /* The last tokens of several sequences are side by side only in a chunk of their own. */
  const size_t last = logits && model->selected > 1 ? count - 1 : 0;
  run_chunks(model, ids, count, 0, last, 0, NULL);
  run_chunks(model, ids, count, last, count, logits ? (size_t)model->selected : 0, logits);
  return MAMBA_CODE_OK;
}

mamba_code mamba_model_forward(mamba_model *model, const int32_t *ids, size_t count, float *logits,
                               mamba_error *error) {
  const mamba_code code = check_ids(model, ids, count, error);
  if (code)
    return code;
  const int32_t first = model->first, selected = model->selected;
  model->selected = 1;
  for (int32_t s = 0; s < selected; ++s) {
    model->first = first + s;
    run_chunks(model, ids + (size_t)s * count, count, 0, count, count,
               logits + (size_t)s * count * (size_t)program->vocabulary);
  }
  model->first = first;
  model->selected = selected;
  return MAMBA_CODE_OK;
}

mamba_code mamba_model_step(mamba_model *model, const int32_t *ids, float *logits, mamba_error *error) {
  return mamba_model_prefill(model, ids, 1, logits, error);
}

void mamba_model_reset(mamba_model *model) {
  for (int i = 0; i < program->state_count; ++i)
    memset(mamba_state_of(model->state, model->capacity, model->first, program->states[i]), 0,
           program->states[i].bytes * (size_t)model->selected);
}

size_t mamba_model_state_size(void) {
  return sizeof(state_header) + program->state_bytes;
}

void mamba_model_save_state(const mamba_model *model, void *bytes) {
  state_header header = {.weights_hash = program->weights_hash, .state_bytes = program->state_bytes};
  unsigned char *const saved = (unsigned char *)bytes + sizeof header;
  memcpy(header.magic, state_magic, sizeof header.magic);
  memcpy(bytes, &header, sizeof header);
  memset(saved, 0, program->state_bytes);
  for (int i = 0; i < program->state_count; ++i)
    memcpy(saved + program->states[i].offset,
           mamba_state_of(model->state, model->capacity, model->first, program->states[i]),
           program->states[i].bytes);
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
  for (int i = 0; i < program->state_count; ++i)
    memcpy(mamba_state_of(model->state, model->capacity, model->first, program->states[i]),
           (const unsigned char *)bytes + sizeof header + program->states[i].offset,
           program->states[i].bytes);
  return MAMBA_CODE_OK;
}
