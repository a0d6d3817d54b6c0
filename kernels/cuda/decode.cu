/* mamba_cuda_decode: all layers of a token in one cooperative kernel, one block a multiprocessor.
 *
 * A block runs what the three kernels of a layer run. There is no barrier: blocks hand each other words that
 * say themselves when they are there (exchange.cuh). The products of all layers share one ring for weights: a
 * block that has handed over what it computed asks for the next product's, which travel while it waits and
 * then normalises or transforms. The same goes for parameters and states. It does not ask before: copies that
 * memory cannot take yet hold up the warps that issue them.
 *
 * Bound: per layer three exchanges, the latency of norm, scan and transform, and bytes of weights.
 *
 * Reaches on an H200, with embedding, head and argmax: 1.35 ms a token at 2.8b, 0.255 ms at 130m. */
#include "layer_in.cuh"
#include "layer_out.cuh"
#include "layer_scan.cuh"

#include <stdlib.h>
#include <string.h>

namespace mamba {
namespace {

constexpr int WORD_BYTES = 4, RING = 8; /* RING: units */

/* Units of the ring that are filled before the wait: more would delay what the phase behind it reads first.
 * On an H200, 2.8b: 8 of in_proj's take 1.49 ms a token instead of 1.44; 4 of out_proj's even before the
 * scan 1.44 instead of 1.40. */
constexpr int EARLY_UNITS = 4;
static_assert(EARLY_UNITS <= RING, "they fit");

struct decode_args {
  const mamba_cuda_layer *layers;
  int32_t count, d, inner, rank;
  exchange_words words;
  layer_in_shape in;
  layer_out_shape out;
  int32_t table; /* place of two layers in dynamic shared memory */
};

/* Starts copying a layer into shared memory, in the next group of copies. */
__device__ inline void copy_layer(const mamba_cuda_layer *from, mamba_cuda_layer *to) {
  const uint32_t place = (uint32_t)__cvta_generic_to_shared(to);
  for (int32_t i = threadIdx.x * WORD_BYTES; i < (int32_t)sizeof *from; i += STREAM_THREADS * WORD_BYTES)
    copy_async_4(place + i, (const char *)from + i);
}

/* The scan of a block's groups, several at once. */
template <mamba_type T> class scan_phase {
public:
  typedef word_exchange<T> EXCHANGE;

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
  __device__ void run(const mamba_cuda_layer &l, EXCHANGE &exchange) {
    __shared__ scan_inputs inputs;
    __shared__ scan_group groups[AT_ONCE];
    scan_group *const group = &groups[of_block];
    if (begin == end)
      return;
    auto ahead = wanted(begin + of_block, l.rank + 2 * STATES);
    exchange.ask_scan(ahead);
    exchange.await_scan(ahead);
    project<STREAM_THREADS>(l, exchange, ahead, factors, &inputs);
    for (int32_t now = begin + of_block; now < end + of_block; now += AT_ONCE) {
      const bool is_there = now < end; /* the same in a whole warp */
      if (is_there)
        part.gate(l, ahead, group);
      __syncthreads();
      PART next;
      auto next_ahead = ahead;
      if (now + AT_ONCE < end) {
        next = PART(l, now + AT_ONCE);
        next_ahead = next.wanted(0);
        exchange.ask_scan(next_ahead);
      }
      if (is_there)
        part.step(l, exchange, ahead, inputs, group);
      __syncthreads();
      if (is_there)
        part.rotate(l, exchange, *group);
      if (now + AT_ONCE < end)
        exchange.await_scan(next_ahead);
      part = next;
      ahead = next_ahead;
    }
  }

private:
  typedef scan_part<T, 2, EXCHANGE> PART;
  static constexpr int AT_ONCE = STREAM_THREADS / PART::THREADS;
  int32_t of_block, begin, end; /* of_block: which of the groups at once this thread has */
  column_factors factors;
  PART part;

  /* Threads without a group take a sum all the same, and some u beside it. */
  __device__ typename EXCHANGE::ahead wanted(int32_t group, int32_t projections) const {
    typename EXCHANGE::ahead a = part.wanted(projections);
    if (group >= end) {
      a.u_channel = begin * SCAN_CHANNELS;
      a.z_channel = -1;
    }
    return a;
  }
};

/* No recipe transposes; and what the parts could keep in registers the compiler would put on the stack. */
constexpr bool TRANSPOSE = false, IN_REGISTERS = false;

/* The next phase's weights, parameters and states are asked for before its values are waited for. */
/* ORDER: of the Hadamard matrix; 0: no transform. */
template <mamba_type T, int ORDER>
__global__ void __launch_bounds__(STREAM_THREADS, 1) decode(const __grid_constant__ decode_args args) {
  int8_t *const shared = dynamic_shared<int8_t>();
  mamba_cuda_layer *const table = (mamba_cuda_layer *)(shared + args.table);
  const int32_t projections = args.rank + 2 * STATES;
  word_exchange<T> exchange(args.words, projections);
  copy_layer(args.layers, table);
  commit_copies();
  typedef weight_stream<RING> stream;
  layer_in_part<T, stream, IN_REGISTERS> in(args.d, args.inner, args.in, shared);
  layer_out_part<stream> out(args.d, args.inner, args.out, shared);
  scan_phase<T> scan(args.inner);
  wait_copies<0>();
  __syncthreads();
  in.prepare(table[0]);
  in.ask();
  in.prefetch_parameters();
  for (int32_t i = 0; i < args.count; ++i) {
    const mamba_cuda_layer &l = table[i % 2];
    mamba_cuda_layer &next = table[(i + 1) % 2];
    const bool is_last = i + 1 == args.count;
    exchange.begin_layer(l, i, args.count);
    in.ask_gamma();
    in.load_row(exchange);
    in.ask_rest();
    in.multiply();
    in.finish(exchange);
    scan.ask(l);
    if (!is_last)
      copy_layer(args.layers + i + 1, &next);
    scan.run(l, exchange);
    out.prepare(l);
    out.weights.fill(EARLY_UNITS);
    out.ask();
    out.template quantize<ORDER, TRANSPOSE, IN_REGISTERS>(exchange, [&] { out.weights.start(); });
    out.multiply();
    out.finish(exchange);
    if (!is_last) {
      in.prepare(next);
      in.ask(EARLY_UNITS);
      in.prefetch_parameters();
    }
  }
  if (blockIdx.x == gridDim.x - 1) /* has taken all sums: the scan's last channels are its */
    exchange.end(projections);
}

typedef void (*decode_kernel)(decode_args);

template <mamba_type T> decode_kernel choose(int32_t order) {
  return order == 0 ? decode<T, 0> : order == 1 ? decode<T, 1> : order == 12 ? decode<T, 12> : decode<T, 20>;
}

decode_kernel choose(const mamba_cuda_layer &l) {
  const int32_t order = l.rotate ? mambaHadamardOrder(l.inner) : 0;
  return l.x.type == MAMBA_I8 ? choose<MAMBA_I8>(order) : choose<MAMBA_F16>(order);
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
  args.rank = l.rank;
  args.in = shape_layer_in(l, info, launch.blocks, RING);
  args.out = shape_layer_out(l, info, launch.blocks, RING);
  args.in.stream.depth = args.out.stream.depth = RING; /* which the kernel is made for */
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
    if (!*problem &&
        (layers[i].x.type == MAMBA_F32 ||
         (layers[i].rotate && !mambaCudaPersists(mambaHadamardOrder(layers[i].inner), layers[i].transpose))))
      *problem = "it has no kernel for x in f32, a transposed transform or one of order 28";
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
      most_blocks((const void *)choose(layers[0]), STREAM_THREADS, wanted.bytes, &blocks);
  if (asked != cudaSuccess)
    return asked;
  if (wanted.blocks > blocks * info.multiprocessors)
    *problem = "the GPU cannot run all blocks of the kernel at the same time";
  return cudaSuccess;
}

cudaError_t mamba_cuda_decode(const mamba_cuda_layer *layers, int32_t count, const mamba_cuda_layer *table,
                              uint64_t *words, cudaStream_t stream) {
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
  wanted.args.words = place_words(words, layers[0].d, layers[0].inner, layers[0].rank);
  return launch_together(choose(layers[0]), wanted.blocks, STREAM_THREADS, wanted.bytes, stream, wanted.args);
}
