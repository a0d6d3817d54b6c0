/* CUDA's runtime: memory, streams whose work waits until somebody waits for it, and graphs. */
#include "cuda_runtime.h"

#include <sys/mman.h>

#include <map>
#include <set>
#include <stdlib.h>
#include <unistd.h>
#include <vector>

typedef std::vector<std::function<void()>> work;

struct emulated_graph {
  work steps;
};

struct emulated_stream {
  work queue;
  emulated_graph *capturing;
};

namespace {

emulated_stream ordinary; /* what NULL means */
std::set<cudaStream_t> streams;

emulated_stream *find(cudaStream_t stream) {
  return stream ? stream : &ordinary;
}

cudaError_t enqueue(cudaStream_t stream, std::function<void()> step) {
  emulated_stream *s = find(stream);
  (s->capturing ? s->capturing->steps : s->queue).push_back(std::move(step));
  return cudaSuccess;
}

cudaError_t drain(emulated_stream *s) {
  if (s->capturing)
    return cudaErrorInvalidValue;
  for (size_t i = 0; i < s->queue.size(); ++i)
    s->queue[i]();
  s->queue.clear();
  return cudaSuccess;
}

/* An allocation ends before an inaccessible page; what its alignment leaves of the last bytes must not
 * change. */
enum { ALIGNMENT = 16, CANARY = 0xa5, SPOILT = 0xff };
struct allocation {
  char *map;
  size_t mapped, bytes;
};
std::map<char *, allocation> allocations;

char *tail(char *memory, const allocation &a, size_t *bytes) {
  *bytes = (ALIGNMENT - a.bytes % ALIGNMENT) % ALIGNMENT;
  return memory + a.bytes;
}

} // namespace

float emulated_reciprocal(float y) {
  const float r = 1.0f / y;
  return fabsf(r) < 0x1p-126f ? copysignf(0.0f, r) : r;
}

cudaError_t emulated_launch(std::function<void()> kernel, dim3 grid, unsigned block, size_t shared,
                            cudaStream_t stream, bool together) {
  if (!grid.x || !grid.y || !grid.z || grid.y > 65535 || grid.z > 65535 || !block ||
      block > EMULATED_MOST_THREADS || shared > emulated_settings().shared_bytes)
    return cudaErrorInvalidValue;
  return enqueue(stream, [=] {
    const uint64_t blocks = (uint64_t)grid.x * grid.y * grid.z;
    gridDim = grid;
    blockDim = dim3(block);
    std::vector<dim3> indices;
    for (uint64_t i = 0; i < blocks; ++i) {
      const uint64_t b = emulated_place(i, blocks);
      indices.push_back(
          dim3((unsigned)(b % grid.x), (unsigned)(b / grid.x % grid.y), (unsigned)(b / grid.x / grid.y)));
    }
    emulated_run_grid(kernel, indices, block, shared, together);
  });
}

extern "C" {

const char *cudaGetErrorString(cudaError_t error) {
  static const char *const texts[] = {"no error",
                                      "invalid argument",
                                      "out of memory",
                                      "CUDA driver version is insufficient for CUDA runtime version",
                                      "no CUDA-capable device is detected",
                                      "no kernel image is available for execution on the device",
                                      "the provided PTX was compiled with an unsupported toolchain",
                                      "operation not supported"};
  return texts[error];
}

cudaError_t cudaGetLastError(void) {
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int *version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int *count) {
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int *device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int) {
  *properties = {"an emulated GPU", 8, 7};
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize(void) {
  for (const cudaStream_t s : streams)
    drain(s);
  return drain(&ordinary);
}

/* ---- Memory ----------------------------------------------------------------------------------------- */

cudaError_t cudaMalloc(void **memory, size_t bytes) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (bytes + page) / page * page;
  char *map = (char *)mmap(NULL, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED)
    return cudaErrorMemoryAllocation;
  if (mprotect(map + whole, page, PROT_NONE))
    return cudaErrorMemoryAllocation;
  const allocation a = {map, whole + page, bytes};
  char *const start = map + whole - (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  size_t rest;
  memset(start, SPOILT, bytes);
  char *const end = tail(start, a, &rest);
  memset(end, CANARY, rest);
  allocations[start] = a;
  *memory = start;
  return cudaSuccess;
}

cudaError_t cudaFree(void *memory) {
  if (!memory)
    return cudaSuccess;
  const auto found = allocations.find((char *)memory);
  if (found == allocations.end())
    return cudaErrorInvalidValue;
  cudaDeviceSynchronize();
  size_t rest;
  const char *end = tail(found->first, found->second, &rest);
  for (size_t i = 0; i < rest; ++i)
    if ((unsigned char)end[i] != CANARY)
      emulated_fault("somebody wrote behind an allocation");
  munmap(found->second.map, found->second.mapped);
  allocations.erase(found);
  return cudaSuccess;
}

cudaError_t cudaMallocHost(void **memory, size_t bytes) {
  *memory = malloc(bytes);
  return *memory ? cudaSuccess : cudaErrorMemoryAllocation;
}
cudaError_t cudaFreeHost(void *memory) {
  free(memory);
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t *left, size_t *all) {
  *left = *all = (size_t)8 << 30;
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
  return enqueue(stream, [=] { memcpy(to, from, bytes); });
}
cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream) {
  return enqueue(stream, [=] { memset(to, value, bytes); });
}
cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, cudaMemcpyKind kind) {
  cudaMemcpyAsync(to, from, bytes, kind, NULL);
  return drain(&ordinary);
}
cudaError_t cudaMemset(void *to, int value, size_t bytes) {
  cudaMemsetAsync(to, value, bytes, NULL);
  return drain(&ordinary);
}

/* ---- Streams and graphs ------------------------------------------------------------------------------ */

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned) {
  *stream = new emulated_stream();
  streams.insert(*stream);
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return drain(find(stream));
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  drain(stream);
  streams.erase(stream);
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (stream->capturing)
    return cudaErrorInvalidValue;
  stream->capturing = new emulated_graph();
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph) {
  *graph = stream->capturing;
  stream->capturing = NULL;
  return *graph ? cudaSuccess : cudaErrorInvalidValue;
}
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t *executable, cudaGraph_t graph,
                                          unsigned long long) {
  *executable = new emulated_graph(*graph);
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  for (const auto &step : executable->steps)
    enqueue(stream, step);
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}
}
