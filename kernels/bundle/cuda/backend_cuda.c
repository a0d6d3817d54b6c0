/* A model in the memory of a GPU: one allocation that holds everything, one stream, and a step of decode as a
 * graph that was captured once. */
#include "backend.h"
#include "device.h"
#include "failure.h"
#include "program_cuda.h"
#include "weights.h"

#include <stdbool.h>
#include <stdlib.h>

/* What of the allocation is where. */
typedef struct layout {
  size_t weights, arena, state, ids, draws, logits, best, search, total; /* search: what argmax exchanges */
} layout;

/* A captured step: valid for the same sequences and the same wishes. */
typedef struct step_graph {
  cudaGraphExec_t graph;
  int32_t first, sequences;
} step_graph;

/* What of a run's logits the caller wants. */
typedef enum wish { NOTHING, LOGITS, BEST, DRAWN, WISHES } wish;

struct mamba_backend {
  unsigned char *memory; /* of the device */
  unsigned char *pinned; /* of the host: ids to best at their places behind `layout.ids` */
  layout places;
  int32_t capacity; /* sequences */
  cudaStream_t stream;
  step_graph graphs[WISHES]; /* the last one of each kind */
  bool use_graphs;
  int32_t prepared; /* the sequence that decode is prepared for, or -1 */
};

static const mamba_program *const program = &mamba_model_program;

static size_t align(size_t bytes) {
  return (bytes + MAMBA_WEIGHTS_ALIGNMENT - 1) / MAMBA_WEIGHTS_ALIGNMENT * MAMBA_WEIGHTS_ALIGNMENT;
}

static layout layout_of(int32_t sequences) {
  const size_t rows = (size_t)program->logit_rows;
  layout l = {0};
  l.arena = l.weights + align(program->weights_bytes);
  l.state = l.arena + align(program->arena_bytes);
  l.ids = l.state + align(program->state_bytes * (size_t)sequences);
  l.draws = l.ids + align((size_t)program->chunk * sizeof(int32_t));
  l.logits = l.draws + align(rows * sizeof(mamba_draw));
  l.best = l.logits + align(rows * (size_t)program->vocabulary * sizeof(float));
  l.search = l.best + align(rows * sizeof(int32_t));
  l.total = l.search + align(rows * sizeof(mamba_cuda_best));
  return l;
}

size_t mamba_backend_device_bytes(int32_t sequences) {
  return layout_of(sequences).total;
}

const char *mamba_backend_name(void) {
  return mamba_device_name();
}

/* ---- Making and ending -------------------------------------------------------------------------- */

static mamba_code take_memory(mamba_backend *backend, mamba_error *error) {
  const size_t host = backend->places.search - backend->places.ids;
  cudaError_t taken = cudaMalloc((void **)&backend->memory, backend->places.total);
  if (taken == cudaErrorMemoryAllocation) {
    size_t left = 0, all = 0;
    cudaGetLastError(); /* it was understood */
    cudaMemGetInfo(&left, &all);
    return mamba_failure(error, MAMBA_CODE_MEMORY, "the GPU has no memory for %zu bytes: %zu of %zu are free",
                         backend->places.total, left, all);
  }
  if (taken == cudaSuccess)
    taken = cudaMallocHost((void **)&backend->pinned, host);
  if (taken == cudaSuccess)
    taken = cudaStreamCreateWithFlags(&backend->stream, cudaStreamNonBlocking);
  if (taken == cudaSuccess) /* buffers too, so that a run never depends on what the memory held */
    taken = cudaMemsetAsync(backend->memory + backend->places.arena, 0,
                            backend->places.total - backend->places.arena, backend->stream);
  return taken == cudaSuccess ? MAMBA_CODE_OK : mamba_device_failure(error, taken, "taking memory");
}

static mamba_code load_weights(mamba_backend *backend, const char *path, mamba_error *error) {
  mamba_weights weights = {0};
  mamba_code code = mamba_weights_open(path, program->weights_bytes, program->weights_hash, &weights, error);
  if (code)
    return code;
  cudaError_t copied = cudaMemcpyAsync(backend->memory + backend->places.weights, weights.tensors,
                                       program->weights_bytes, cudaMemcpyHostToDevice, backend->stream);
  if (copied == cudaSuccess)
    copied = cudaStreamSynchronize(backend->stream);
  mamba_weights_close(&weights);
  return copied == cudaSuccess ? MAMBA_CODE_OK : mamba_device_failure(error, copied, "loading the weights");
}

mamba_code mamba_backend_create(const char *weights_path, int threads, int32_t sequences,
                                mamba_backend **backend, mamba_error *error) {
  (void)threads;
  const char *graphs = getenv("MAMBA_CUDA_GRAPH");
  mamba_code code = mamba_device_check(error);
  if (code)
    return code;
  mamba_backend *created = calloc(1, sizeof *created);
  if (!created)
    return mamba_failure(error, MAMBA_CODE_MEMORY, "no memory for a model");
  created->capacity = sequences;
  created->prepared = -1;
  created->places = layout_of(sequences);
  created->use_graphs = !graphs || strcmp(graphs, "0") != 0;
  code = take_memory(created, error);
  if (!code)
    code = load_weights(created, weights_path, error);
  if (code)
    mamba_backend_destroy(created);
  else
    *backend = created;
  return code;
}

void mamba_backend_destroy(mamba_backend *backend) {
  if (!backend)
    return;
  for (int kind = 0; kind < WISHES; ++kind)
    if (backend->graphs[kind].graph)
      cudaGraphExecDestroy(backend->graphs[kind].graph);
  if (backend->stream)
    cudaStreamDestroy(backend->stream);
  cudaFreeHost(backend->pinned);
  cudaFree(backend->memory);
  free(backend);
}

/* ---- Running ------------------------------------------------------------------------------------ */

/* The host's copy of a place at or behind the ids. */
static unsigned char *host_of(const mamba_backend *backend, size_t place) {
  return backend->pinned + (place - backend->places.ids);
}

static mamba_cuda_run run_of(const mamba_backend *backend, const mamba_chunk *chunk) {
  const layout *l = &backend->places;
  unsigned char *const memory = backend->memory;
  return (mamba_cuda_run){
      .ids = (const int32_t *)(memory + l->ids),
      .sequences = chunk->sequences,
      .tokens = chunk->tokens,
      .logit_rows = chunk->logit_rows,
      .logits = (float *)(memory + l->logits),
      .weights = memory + l->weights,
      .arena = memory + l->arena,
      .state = memory + l->state,
      .first = chunk->first,
      .capacity = backend->capacity,
      .stream = backend->stream,
      .failed_at = "copying ids",
  };
}

/* Before a step of one sequence. */
static cudaError_t prepare(mamba_backend *backend, const mamba_chunk *chunk, const char **failed_at) {
  if (chunk->tokens != 1 || chunk->sequences != 1 || backend->prepared == chunk->first)
    return cudaSuccess;
  mamba_cuda_run run = run_of(backend, chunk);
  const cudaError_t error = mamba_program_prepare(&run);
  *failed_at = run.failed_at;
  backend->prepared = error == cudaSuccess ? chunk->first : -1;
  return error;
}

/* Puts a whole chunk into the stream: ids from the host, kernels, and what is wanted back to it. */
static cudaError_t enqueue(mamba_backend *backend, const mamba_chunk *chunk, wish wanted,
                           const char **failed_at) {
  const layout *l = &backend->places;
  unsigned char *const memory = backend->memory;
  mamba_cuda_run run = run_of(backend, chunk);
  const size_t ids_bytes = (size_t)chunk->sequences * (size_t)chunk->tokens * sizeof(int32_t);
  const size_t best_bytes = (size_t)chunk->logit_rows * sizeof(int32_t);
  cudaError_t error = cudaMemcpyAsync(memory + l->ids, host_of(backend, l->ids), ids_bytes,
                                      cudaMemcpyHostToDevice, backend->stream);
  if (error == cudaSuccess && wanted == DRAWN)
    error = cudaMemcpyAsync(memory + l->draws, host_of(backend, l->draws),
                            (size_t)chunk->logit_rows * sizeof(mamba_draw), cudaMemcpyHostToDevice,
                            backend->stream);
  if (error == cudaSuccess)
    error = chunk->tokens == 1 ? mamba_program_decode(&run) : mamba_program_prefill(&run);
  *failed_at = error == cudaSuccess ? "copying results" : run.failed_at;
  if (error == cudaSuccess && wanted == LOGITS)
    error = cudaMemcpyAsync(host_of(backend, l->logits), run.logits,
                            (size_t)chunk->logit_rows * (size_t)program->vocabulary * sizeof(float),
                            cudaMemcpyDeviceToHost, backend->stream);
  if (error == cudaSuccess && wanted == BEST)
    error = mamba_cuda_argmax(run.logits, chunk->logit_rows, program->vocabulary,
                              (mamba_cuda_best *)(memory + l->search), (int32_t *)(memory + l->best),
                              backend->stream);
  if (error == cudaSuccess && wanted == DRAWN)
    error = mamba_cuda_draw(run.logits, chunk->logit_rows, program->vocabulary,
                            (const mamba_draw *)(memory + l->draws), (int32_t *)(memory + l->best),
                            backend->stream);
  if (error == cudaSuccess && (wanted == BEST || wanted == DRAWN))
    error = cudaMemcpyAsync(host_of(backend, l->best), memory + l->best, best_bytes, cudaMemcpyDeviceToHost,
                            backend->stream);
  return error;
}

/* Captures a step, which replaces the last one of its kind. */
static cudaError_t capture(mamba_backend *backend, const mamba_chunk *chunk, wish wanted, step_graph *step,
                           const char **failed_at) {
  cudaGraph_t graph = NULL;
  cudaGraphExec_t executable = NULL;
  *failed_at = "capturing a step";
  cudaError_t error = cudaStreamBeginCapture(backend->stream, cudaStreamCaptureModeThreadLocal);
  if (error != cudaSuccess)
    return error;
  const cudaError_t enqueued = enqueue(backend, chunk, wanted, failed_at);
  error = cudaStreamEndCapture(backend->stream, &graph);
  if (enqueued != cudaSuccess)
    error = enqueued;
  if (error == cudaSuccess)
    error = cudaGraphInstantiateWithFlags(&executable, graph, 0);
  if (graph)
    cudaGraphDestroy(graph);
  if (error != cudaSuccess)
    return error;
  if (step->graph)
    cudaGraphExecDestroy(step->graph);
  step->graph = executable;
  step->first = chunk->first;
  step->sequences = chunk->sequences;
  return cudaSuccess;
}

mamba_code mamba_backend_run(mamba_backend *backend, const mamba_chunk *chunk, mamba_error *error) {
  const layout *l = &backend->places;
  const size_t rows = (size_t)chunk->logit_rows;
  const wish wanted = !rows ? NOTHING : chunk->logits ? LOGITS : chunk->draws ? DRAWN : BEST;
  step_graph *const step = &backend->graphs[wanted];
  const char *failed_at = "running";
  cudaError_t result = prepare(backend, chunk, &failed_at);
  memcpy(host_of(backend, l->ids), chunk->ids,
         (size_t)chunk->sequences * (size_t)chunk->tokens * sizeof *chunk->ids);
  if (wanted == DRAWN)
    memcpy(host_of(backend, l->draws), chunk->draws, rows * sizeof *chunk->draws);
  if (result == cudaSuccess && chunk->tokens == 1 && backend->use_graphs) {
    if (!step->graph || step->first != chunk->first || step->sequences != chunk->sequences)
      result = capture(backend, chunk, wanted, step, &failed_at);
    if (result == cudaSuccess)
      result = cudaGraphLaunch(step->graph, backend->stream);
  } else if (result == cudaSuccess) {
    result = enqueue(backend, chunk, wanted, &failed_at);
  }
  const cudaError_t finished = cudaStreamSynchronize(backend->stream);
  if (result == cudaSuccess)
    result = finished;
  if (result != cudaSuccess)
    return mamba_device_failure(error, result, failed_at);
  if (wanted == LOGITS)
    memcpy(chunk->logits, host_of(backend, l->logits), rows * (size_t)program->vocabulary * sizeof(float));
  if (wanted == BEST || wanted == DRAWN)
    memcpy(chunk->best, host_of(backend, l->best), rows * sizeof(int32_t));
  return MAMBA_CODE_OK;
}

/* ---- States ------------------------------------------------------------------------------------- */

static unsigned char *state_of(const mamba_backend *backend, int32_t sequence, int index) {
  return mamba_state_of(backend->memory + backend->places.state, backend->capacity, sequence, index);
}

/* Waits for what was put into the stream. */
static mamba_code finish(const mamba_backend *backend, cudaError_t result, const char *what,
                         mamba_error *error) {
  const cudaError_t finished = cudaStreamSynchronize(backend->stream);
  if (result == cudaSuccess)
    result = finished;
  return result == cudaSuccess ? MAMBA_CODE_OK : mamba_device_failure(error, result, what);
}

mamba_code mamba_backend_observe(mamba_backend *backend, mamba_layer_observer observer, void *context,
                                 mamba_error *error) {
  (void)backend;
  (void)context;
  return observer ? mamba_failure(error, MAMBA_CODE_ARGUMENT, "a program on a GPU does not show its layers")
                  : MAMBA_CODE_OK;
}

mamba_code mamba_backend_reset(mamba_backend *backend, int32_t first, int32_t count, mamba_error *error) {
  cudaError_t result = cudaSuccess;
  for (int i = 0; i < program->state_count && result == cudaSuccess; ++i)
    result = cudaMemsetAsync(state_of(backend, first, i), 0, program->states[i].bytes * (size_t)count,
                             backend->stream);
  return finish(backend, result, "resetting states", error);
}

mamba_code mamba_backend_read_state(const mamba_backend *backend, int32_t sequence, unsigned char *bytes,
                                    mamba_error *error) {
  cudaError_t result = cudaSuccess;
  for (int i = 0; i < program->state_count && result == cudaSuccess; ++i)
    result = cudaMemcpyAsync(bytes + program->states[i].offset, state_of(backend, sequence, i),
                             program->states[i].bytes, cudaMemcpyDeviceToHost, backend->stream);
  return finish(backend, result, "saving states", error);
}

mamba_code mamba_backend_write_state(mamba_backend *backend, int32_t sequence, const unsigned char *bytes,
                                     mamba_error *error) {
  cudaError_t result = cudaSuccess;
  for (int i = 0; i < program->state_count && result == cudaSuccess; ++i)
    result = cudaMemcpyAsync(state_of(backend, sequence, i), bytes + program->states[i].offset,
                             program->states[i].bytes, cudaMemcpyHostToDevice, backend->stream);
  return finish(backend, result, "loading states", error);
}
