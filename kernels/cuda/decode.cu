/* mamba_cuda_decode: all layers of a token in one cooperative kernel, one block a multiprocessor.
 *
 * A block runs what the three kernels of a layer run, with a barrier of the grid where one of them would end.
 * The products of all layers share one ring for weights: a block that has arrived at a barrier asks for the
 * next product's, which travel while it waits and then normalises or transforms. The same goes for parameters
 * and states. It does not ask before it arrives: copies that memory cannot take yet hold up the warps that
 * issue them.
 *
 * Bound: per layer three barriers, the latency of norm, scan and transform, and bytes of weights.
 *
 * Reaches on an H200, with embedding, head and argmax: 1.36 ms a token at 2.8b, 0.280 ms at 130m. */
#include "grid_barrier.cuh"
#include "layer_in.cuh"
#include "layer_out.cuh"
#include "layer_scan.cuh"

#include <stdlib.h>
#include <string.h>

namespace mamba {
namespace {

constexpr int WORD_BYTES = 4, RING = 8; /* RING: units, where shared memory is large */

/* Units of the ring that are filled before a barrier: more would delay what the phase behind it reads first.
 * On an H200, 2.8b: 8 of in_proj's take 1.49 ms a token instead of 1.44; 4 of out_proj's even before the
 * scan 1.44 instead of 1.40. */
constexpr int EARLY_UNITS = 4; /* no more than the smallest ring has */

struct decode_args {
  const mamba_cuda_layer *layers;
  int32_t count, d, inner;
  uint32_t *meeting;
  layer_in_shape in;
  layer_out_shape out;
  int32_t table; /* place of two layers in dynamic shared memory */
  int32_t order; /* of the Hadamard matrix; 0: no transform */
  bool transpose;
};

/* Starts copying a layer into shared memory, in the next group of copies. */
__device__ inline void copy_layer(const mamba_cuda_layer *from, mamba_cuda_layer *to) {
  const uint32_t place = (uint32_t)__cvta_generic_to_shared(to);
  for (int32_t i = threadIdx.x * WORD_BYTES; i < (int32_t)sizeof *from; i += STREAM_THREADS * WORD_BYTES)
    copy_async_4(place + i, (const char *)from + i);
}

__device__ inline void quantize(const decode_args &args, layer_out_part &out) {
  const auto meanwhile = [&] { out.weights.start(); };
  switch (args.order) {
  case 0:
    return out.quantize<0, false>(meanwhile);
  case 1:
    return out.quantize<1, false>(meanwhile);
  case 12:
    return args.transpose ? out.quantize<12, true>(meanwhile) : out.quantize<12, false>(meanwhile);
  case 20:
    return args.transpose ? out.quantize<20, true>(meanwhile) : out.quantize<20, false>(meanwhile);
  default:
    return args.transpose ? out.quantize<28, true>(meanwhile) : out.quantize<28, false>(meanwhile);
  }
}

/* The scan of a block's groups, several at once. */
template <mamba_type T> class scan_phase {
public:
  __device__ explicit scan_phase(int32_t inner)
      : of_block(threadIdx.x / PART::THREADS), begin(share(inner / SCAN_CHANNELS, blockIdx.x, gridDim.x)),
        end(share(inner / SCAN_CHANNELS, blockIdx.x + 1, gridDim.x)) {}

  /* What needs nothing of other blocks. */
  __device__ void ask(const mamba_cuda_layer &l) {
    factors = first_factors(l);
    if (begin + of_block < end)
      part = PART(l, begin + of_block);
  }

  /* The next groups' values travel while some are computed. */
  __device__ void run(const mamba_cuda_layer &l) {
    __shared__ scan_inputs inputs;
    __shared__ scan_group groups[AT_ONCE];
    scan_group *const group = &groups[of_block];
    if (begin == end)
      return;
    if (begin + of_block < end)
      part.load(l);
    project<STREAM_THREADS>(l, factors, &inputs);
    for (int32_t now = begin + of_block; now < end + of_block; now += AT_ONCE) {
      const bool is_there = now < end; /* the same in a whole warp */
      if (is_there)
        part.gate(l, group);
      __syncthreads();
      PART next;
      if (now + AT_ONCE < end) {
        next = PART(l, now + AT_ONCE);
        next.load(l);
      }
      if (is_there)
        part.step(l, inputs, group);
      __syncthreads();
      if (is_there)
        part.rotate(l, *group);
      part = next;
    }
  }

private:
  typedef scan_part<T, 2> PART;
  static constexpr int AT_ONCE = STREAM_THREADS / PART::THREADS;
  int32_t of_block, begin, end; /* of_block: which of the groups at once this thread has */
  column_factors factors;
  PART part;
};

/* Every phase ends with arrive(); the next one's weights, parameters and states are asked for before wait().
 */
template <mamba_type T>
__global__ void __launch_bounds__(STREAM_THREADS, 1) decode(const __grid_constant__ decode_args args) {
  int8_t *const shared = dynamic_shared<int8_t>();
  mamba_cuda_layer *const table = (mamba_cuda_layer *)(shared + args.table);
  grid_barrier barrier(args.meeting);
  copy_layer(args.layers, table);
  commit_copies();
  layer_in_part<T> in(args.d, args.inner, args.in, shared);
  layer_out_part out(args.d, args.inner, args.out, shared);
  scan_phase<T> scan(args.inner);
  wait_copies<0>();
  __syncthreads();
  in.prepare(table[0]);
  in.ask();
  for (int32_t i = 0; i < args.count; ++i) {
    const mamba_cuda_layer &l = table[i % 2];
    mamba_cuda_layer &next = table[(i + 1) % 2];
    const bool is_last = i + 1 == args.count;
    in.load_row();
    in.ask_rest();
    in.multiply();
    in.finish();
    barrier.arrive();
    scan.ask(l);
    if (!is_last)
      copy_layer(args.layers + i + 1, &next);
    barrier.wait();
    scan.run(l);
    barrier.arrive();
    out.prepare(l);
    out.weights.fill(EARLY_UNITS);
    out.ask();
    barrier.wait();
    quantize(args, out);
    out.multiply();
    out.finish();
    if (is_last)
      break;
    barrier.arrive();
    in.prepare(next);
    in.ask(EARLY_UNITS);
    barrier.wait();
  }
}

typedef void (*decode_kernel)(decode_args);

decode_kernel choose(mamba_type type) {
  return type == MAMBA_I8 ? decode<MAMBA_I8> : type == MAMBA_F16 ? decode<MAMBA_F16> : decode<MAMBA_F32>;
}

/* Of all layers: what the kernel is made for, and where things are in its shared memory. */
struct decode_launch {
  decode_args args;
  int32_t blocks, bytes;
};

decode_launch prepare(const mamba_cuda_layer *layers, int32_t count, const device_info &info) {
  const mamba_cuda_layer &l = layers[0];
  decode_launch launch = {};
  decode_args &args = launch.args;
  launch.blocks = min(min(info.multiprocessors, l.inner / 4), l.d);
  args.count = count;
  args.d = l.d;
  args.inner = l.inner;
  args.order = l.rotate ? mambaHadamardOrder(l.inner) : 0;
  args.transpose = l.transpose;
  args.in = shape_layer_in(l, info, launch.blocks, RING);
  args.out = shape_layer_out(l, info, launch.blocks, RING);
  shared_layout layout;
  args.in.ring = args.out.ring = layout.take(max(ring_bytes(args.in.stream), ring_bytes(args.out.stream)));
  args.table = layout.take(2 * (int32_t)sizeof(mamba_cuda_layer));
  place_sums(l, layout, &args.in);
  place_sums(layout, &args.out);
  shared_layout other = layout; /* x of one product is not needed when that of the other is made */
  place_row(l, layout, &args.in);
  place_row(l, other, &args.out);
  launch.bytes = max(layout.bytes, other.bytes);
  return launch;
}

bool are_alike(const mamba_cuda_layer &a, const mamba_cuda_layer &b) {
  return a.d == b.d && a.inner == b.inner && a.rank == b.rank && a.x.type == b.x.type &&
         a.rotate == b.rotate && a.transpose == b.transpose;
}

} // namespace
} // namespace mamba

cudaError_t mamba_cuda_decode_problem(const mamba_cuda_layer *layers, int32_t count, const char **problem) {
  using namespace mamba;
  const char *const setting = getenv("MAMBA_CUDA_PERSISTENT");
  *problem = count < 1                              ? "there is no layer"
             : setting && strcmp(setting, "0") == 0 ? "MAMBA_CUDA_PERSISTENT is 0"
                                                    : NULL;
  for (int32_t i = 0; i < count && !*problem; ++i) {
    *problem = mamba_cuda_layer_problem(&layers[i], 1);
    if (!*problem && !are_alike(layers[0], layers[i]))
      *problem = "the layers differ in sizes, types or transforms";
  }
  if (*problem)
    return cudaSuccess;
  device_info info;
  const cudaError_t error = get_device_info(&info);
  if (error != cudaSuccess)
    return error;
  const decode_launch wanted = prepare(layers, count, info);
  int blocks = 0;
  const cudaError_t asked =
      most_blocks((const void *)choose(layers[0].x.type), STREAM_THREADS, wanted.bytes, &blocks);
  if (asked != cudaSuccess)
    return asked;
  if (wanted.blocks > blocks * info.multiprocessors)
    *problem = "the GPU cannot run all blocks of the kernel at the same time";
  return cudaSuccess;
}

cudaError_t mamba_cuda_decode(const mamba_cuda_layer *layers, int32_t count, const mamba_cuda_layer *table,
                              uint32_t *meeting, cudaStream_t stream) {
  using namespace mamba;
  const char *problem = NULL;
  device_info info;
  cudaError_t error = mamba_cuda_decode_problem(layers, count, &problem);
  if (error == cudaSuccess && problem)
    error = cudaErrorNotSupported;
  if (error == cudaSuccess)
    error = get_device_info(&info);
  if (error != cudaSuccess)
    return error;
  decode_launch wanted = prepare(layers, count, info);
  wanted.args.layers = table;
  wanted.args.meeting = meeting;
  return launch_together(choose(layers[0].x.type), wanted.blocks, STREAM_THREADS, wanted.bytes, stream,
                         wanted.args);
}
