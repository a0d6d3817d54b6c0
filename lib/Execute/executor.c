/* See mamba/executor.h. */
#include "mamba/executor.h"

#include "constants.h"
#include "program.h"

#include <stdlib.h>
#include <string.h>

struct MambaExecutor {
  Program program;
  mamba_pool *pool; /* of the parameters */
  float *scratch;
  MambaObserver observer;     /* at most one */
  MambaSharedObserver shared; /* of these two */
  void *context;
  Frame frame; /* of the chunk that runs */
};

MambaStatus mambaExecutorCreate(MlirOperation module, int64_t batch, MambaExecutorOptions options,
                                MambaExecutor **executor, MambaError *error) {
  MambaStatus status;
  MambaExecutor *made = calloc(1, sizeof *made);
  const char *broken = mamba_kernels_check_contract();
  if (!made)
    return mambaFail(error, MAMBA_NO_MEMORY, "out of memory");
  if (broken) {
    status = mambaFail(error, MAMBA_UNSUPPORTED, "%s", broken);
    goto cleanup;
  }
  status = mambaProgramCompile(module, batch, &options, &made->program, error);
  if (status != MAMBA_OK)
    goto cleanup;
  made->pool = mambaParametersPool(made->program.parameters);
  const size_t floats = (size_t)made->program.scratch * (size_t)mamba_pool_count(made->pool);
  made->scratch = malloc(floats ? floats * sizeof *made->scratch : 1);
  if (!made->scratch) {
    status = mambaFail(error, MAMBA_NO_MEMORY, "out of memory");
    goto cleanup;
  }
  *executor = made;
  made = NULL;

cleanup:
  mambaExecutorDestroy(made);
  return status;
}

void mambaExecutorDestroy(MambaExecutor *executor) {
  if (!executor)
    return;
  mambaProgramDestroy(&executor->program);
  free(executor->scratch);
  free(executor);
}

int64_t mambaExecutorVocabulary(const MambaExecutor *executor) {
  return executor->program.vocabulary;
}
int64_t mambaExecutorBatch(const MambaExecutor *executor) {
  return executor->program.batch;
}

void mambaExecutorReset(MambaExecutor *executor) {
  for (size_t i = 0; i < executor->program.states.count; i++) {
    const MambaConstant *memory = &executor->program.states.items[i].memory;
    memset(memory->data, 0, memory->count * mambaStoredSize(memory->element, memory->wide));
  }
}

void mambaExecutorObserve(MambaExecutor *executor, MambaObserver observer, void *context) {
  executor->observer = observer;
  executor->shared = NULL;
  executor->context = context;
}

void mambaExecutorObserveShared(MambaExecutor *executor, MambaSharedObserver observer, void *context) {
  executor->observer = NULL;
  executor->shared = observer;
  executor->context = context;
}

/* One value after the other: workers that look at it together have all done so before the next. */
static void observe(const MambaExecutor *executor, const Step *step, const Frame *frame,
                    mamba_worker worker) {
  const Program *program = &executor->program;
  for (int i = 0; i < step->slot_count; i++) {
    const Slot *slot = &program->slots.items[step->slots[i]];
    const MambaObservation observation = {
        .value = slot->value,
        .name = mambaValueName(slot->value),
        .element = slot->element,
        .wide = program->wide && slot->element != MAMBA_ELEMENT_I8,
        .scale = slot->scale,
        .rows = (int64_t)frame->batch * frame->tokens,
        .channels = slot->channels,
        .data = slot->data,
    };
    if (executor->shared)
      executor->shared(executor->context, &observation, executor->pool, worker);
    else if (worker.index == 0)
      executor->observer(executor->context, &observation);
    mamba_pool_barrier(executor->pool, worker);
  }
}

/* Who looks at the states. */
typedef struct StateView {
  const MambaExecutor *executor;
  MambaSharedObserver observer;
  void *context;
} StateView;

static void showStates(void *context, mamba_worker worker) {
  const StateView *view = context;
  const Program *program = &view->executor->program;
  for (size_t i = 0; i < program->states.count; i++) {
    const State *state = &program->states.items[i];
    const MambaObservation observation = {
        .name = mambaStringAttribute(state->op, "sym_name"),
        .element = state->memory.element,
        .wide = state->memory.wide,
        .rows = program->batch,
        .channels = (int64_t)state->memory.count / program->batch,
        .data = state->memory.data,
    };
    view->observer(view->context, &observation, view->executor->pool, worker);
    mamba_pool_barrier(view->executor->pool, worker);
  }
}

void mambaExecutorShowStates(const MambaExecutor *executor, MambaSharedObserver observer, void *context) {
  mamba_pool_run(executor->pool, showStates, &(StateView){executor, observer, context});
}

/* What every worker does for one chunk. */
static void runChunk(void *context, mamba_worker worker) {
  const MambaExecutor *executor = context;
  Frame selected = executor->frame;
  selected.tokens = selected.selected;
  for (size_t i = 0; i < executor->program.steps.count; i++) {
    const Step *step = &executor->program.steps.items[i];
    const Frame *frame = step->selected ? &selected : &executor->frame;
    if (frame->tokens == 0)
      continue;
    step->run(step, frame, worker);
    mamba_pool_barrier(executor->pool, worker);
    for (int r = 0; worker.index == 0 && r < step->leaving_count; r++)
      mambaMappedFileRelease(step->leaving[r].data, step->leaving[r].bytes);
    if (executor->observer || executor->shared)
      observe(executor, step, frame, worker);
  }
}

static MambaStatus checkRun(const MambaExecutor *executor, const int32_t *ids, int64_t tokens,
                            MambaLogits which, const float *logits, MambaError *error) {
  const Program *program = &executor->program;
  if (tokens < 1 || tokens > INT64_MAX / program->batch / program->vocabulary / (int64_t)sizeof *logits)
    return mambaFail(error, MAMBA_INVALID,
                     "tokens: expected at least 1 and a result that fits in memory, found %lld",
                     (long long)tokens);
  if ((which == MAMBA_LOGITS_NONE) != (logits == NULL))
    return mambaFail(error, MAMBA_INVALID, "logits: expected memory exactly where logits are wanted");
  for (int64_t i = 0; i < program->batch * tokens; i++)
    if (ids[i] < 0 || ids[i] >= program->id_limit)
      return mambaFail(
          error, MAMBA_INVALID, "sequence %lld, token %lld: expected an id from 0 to %lld, found %ld",
          (long long)(i / tokens), (long long)(i % tokens), (long long)program->id_limit - 1, (long)ids[i]);
  return MAMBA_OK;
}

MambaStatus mambaExecutorRun(MambaExecutor *executor, const int32_t *ids, int64_t tokens, MambaLogits which,
                             float *logits, MambaError *error) {
  const Program *program = &executor->program;
  const MambaStatus status = checkRun(executor, ids, tokens, which, logits, error);
  if (status != MAMBA_OK)
    return status;
  const int64_t rows = which == MAMBA_LOGITS_ALL ? tokens : 1; /* of logits per sequence */
  for (int64_t first = 0; first < tokens; first += program->chunk) {
    const int64_t count = tokens - first < program->chunk ? tokens - first : program->chunk;
    const bool last = first + count == tokens;
    Frame *frame = &executor->frame;
    *frame = (Frame){.batch = (int32_t)program->batch,
                     .tokens = (int32_t)count,
                     .scratch = executor->scratch,
                     .logits = logits,
                     .logits_stride = rows * program->vocabulary};
    if (which == MAMBA_LOGITS_ALL) {
      frame->selected = (int32_t)count;
      frame->logits = logits + first * program->vocabulary;
    } else if (which == MAMBA_LOGITS_LAST && last) {
      frame->selected = 1;
    }
    for (int64_t sequence = 0; sequence < program->batch; sequence++)
      memcpy(program->ids + sequence * count, ids + sequence * tokens + first, (size_t)count * sizeof *ids);
    mamba_pool_run(executor->pool, runChunk, executor);
  }
  return MAMBA_OK;
}
