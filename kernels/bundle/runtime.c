/* model.h on top of a backend: the choice of sequences, and the cut of their tokens into chunks. */
#include "backend.h"
#include "failure.h"
#include "model.h"
#include "program.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct mamba_model {
  mamba_backend *backend;
  int32_t *ids;            /* of one chunk, when they come from several sequences: [chunk] */
  int32_t capacity;        /* sequences */
  int32_t first, selected; /* those that calls are about */
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
int32_t mamba_model_max_sequences(void) {
  return program->logit_rows;
}
int mamba_model_max_threads(void) {
  return program->max_threads;
}

mamba_code mamba_model_create(const char *weights_path, int threads, int32_t sequences, mamba_model **model,
                              mamba_error *error) {
  if (threads < 0 || threads > program->max_threads)
    return mamba_failure(error, MAMBA_CODE_ARGUMENT,
                         "expected 1 to %d threads (0: the best number), found %d", program->max_threads,
                         threads);
  if (sequences < 1 || sequences > program->logit_rows)
    return mamba_failure(error, MAMBA_CODE_ARGUMENT, "expected 1 to %" PRId32 " sequences, found %" PRId32,
                         program->logit_rows, sequences);
  mamba_model *created = calloc(1, sizeof *created);
  if (created)
    created->ids = malloc((size_t)program->chunk * sizeof *created->ids);
  const mamba_code code =
      created && created->ids
          ? mamba_backend_create(weights_path, threads, sequences, &created->backend, error)
          : mamba_failure(error, MAMBA_CODE_MEMORY, "no memory for a model");
  if (code) {
    mamba_model_destroy(created);
  } else {
    created->capacity = created->selected = sequences;
    *model = created;
  }
  return code;
}

void mamba_model_destroy(mamba_model *model) {
  if (!model)
    return;
  mamba_backend_destroy(model->backend);
  free(model->ids);
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

/* ---- Tokens ------------------------------------------------------------------------------------- */

/* The ids of a chunk, side by side: those from `begin` on of rows of `count`. */
static const int32_t *chunk_ids(mamba_model *model, const int32_t *ids, size_t count, size_t begin,
                                size_t tokens) {
  if (model->selected == 1)
    return ids + begin;
  for (size_t s = 0; s < (size_t)model->selected; ++s)
    memcpy(model->ids + s * tokens, ids + s * count + begin, tokens * sizeof *ids);
  return model->ids;
}

/* Runs tokens [begin, end) of ids [selected, count], which were checked, at most `most` rows at a time. The
 * logits of the last `logit_rows` rows are wanted: of a single sequence, or of single tokens of several. */
static mamba_code run_chunks(mamba_model *model, const int32_t *ids, size_t count, size_t begin, size_t end,
                             int32_t most, size_t logit_rows, float *logits, mamba_error *error) {
  const size_t sequences = (size_t)model->selected, chunk = (size_t)most / sequences;
  mamba_code code = MAMBA_CODE_OK;
  for (size_t done = begin; done < end && !code;) {
    const size_t tokens = end - done < chunk ? end - done : chunk;
    const size_t rows = sequences * tokens, later = sequences * (end - done - tokens);
    const size_t wanted = logit_rows <= later ? 0 : logit_rows - later < rows ? logit_rows - later : rows;
    const mamba_chunk run = {
        .ids = chunk_ids(model, ids, count, done, tokens),
        .sequences = model->selected,
        .tokens = (int32_t)tokens,
        .first = model->first,
        .logit_rows = (int32_t)wanted,
        .logits = wanted ? logits : NULL,
    };
    code = mamba_backend_run(model->backend, &run, error);
    if (logits)
      logits += wanted * (size_t)program->vocabulary;
    done += tokens;
  }
  return code;
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
  mamba_code code = count || !logits ? check_ids(model, ids, count, error)
                                     : mamba_failure(error, MAMBA_CODE_ARGUMENT, "no ids, so no logits");
  /* The last tokens of several sequences are side by side only in a chunk of their own. */
  const size_t last = logits && model->selected > 1 ? count - 1 : 0;
  if (!code)
    code = run_chunks(model, ids, count, 0, last, program->chunk, 0, NULL, error);
  if (!code)
    code = run_chunks(model, ids, count, last, count, program->chunk, logits ? (size_t)model->selected : 0,
                      logits, error);
  return code;
}

mamba_code mamba_model_forward(mamba_model *model, const int32_t *ids, size_t count, float *logits,
                               mamba_error *error) {
  mamba_code code = check_ids(model, ids, count, error);
  const int32_t first = model->first, selected = model->selected;
  model->selected = 1;
  for (int32_t s = 0; s < selected && !code; ++s) {
    model->first = first + s;
    code = run_chunks(model, ids + (size_t)s * count, count, 0, count, program->logit_rows, count,
                      logits + (size_t)s * count * (size_t)program->vocabulary, error);
  }
  model->first = first;
  model->selected = selected;
  return code;
}

mamba_code mamba_model_step(mamba_model *model, const int32_t *ids, float *logits, mamba_error *error) {
  return mamba_model_prefill(model, ids, 1, logits, error);
}

mamba_code mamba_model_step_greedy(mamba_model *model, const int32_t *ids, int32_t *next,
                                   mamba_error *error) {
  return mamba_model_step_sample(model, ids, NULL, next, error);
}

mamba_code mamba_model_step_sample(mamba_model *model, const int32_t *ids, const mamba_draw *draws, int32_t *next,
                                   mamba_error *error) {
  const mamba_code code = check_ids(model, ids, 1, error);
  const mamba_chunk run = {
      .ids = ids,
      .sequences = model->selected,
      .tokens = 1,
      .first = model->first,
      .logit_rows = model->selected,
      .best = next,
      .draws = draws,
  };
  return code ? code : mamba_backend_run(model->backend, &run, error);
}

mamba_code mamba_model_observe(mamba_model *model, mamba_layer_observer observer, void *context,
                               mamba_error *error) {
  return mamba_backend_observe(model->backend, observer, context, error);
}

/* ---- States ------------------------------------------------------------------------------------- */

mamba_code mamba_model_reset(mamba_model *model, mamba_error *error) {
  return mamba_backend_reset(model->backend, model->first, model->selected, error);
}

size_t mamba_model_state_size(void) {
  return sizeof(state_header) + program->state_bytes;
}

mamba_code mamba_model_save_state(const mamba_model *model, void *bytes, mamba_error *error) {
  state_header header = {.weights_hash = program->weights_hash, .state_bytes = program->state_bytes};
  unsigned char *const saved = (unsigned char *)bytes + sizeof header;
  memcpy(header.magic, state_magic, sizeof header.magic);
  memcpy(bytes, &header, sizeof header);
  memset(saved, 0, program->state_bytes);
  return mamba_backend_read_state(model->backend, model->first, saved, error);
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
  return mamba_backend_write_state(model->backend, model->first, (const unsigned char *)bytes + sizeof header,
                                   error);
}
