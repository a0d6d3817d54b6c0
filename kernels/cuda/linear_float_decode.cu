/* The matrix-vector product of decode with weights in 16 or 32 bits.
 *
 * The contract's sum has 16 chains of fused multiply-adds for each output, which nothing may cut: a lane has
 * one chain of two outputs, a warp four outputs. Its weights pass through a ring of its own in shared memory,
 * which cp.async fills with whole lines, 128 bytes of each output a turn; x lies beside it for the whole
 * block. Before the previous kernel has ended (see launch.h) the ring is filled.
 *
 * Bound: bytes of w.
 *
 * Reaches on an H200: 65 us for the f16 head of 2.8b (50280 x 2560), 85% of read bandwidth. */
#include "instructions.cuh"
#include "linear_float.cuh"

namespace mamba {
namespace {

constexpr int COLUMNS = 4, PART = 128 /* bytes of a column and turn */, DEPTH = 12, MOST_WARPS = 8;
constexpr int TURN = COLUMNS * PART, CHUNK = 16, PART_CHUNKS = PART / CHUNK;
static_assert(TURN == WARP * CHUNK, "one copy a lane");

template <mamba_type TYPE>
__global__ void __launch_bounds__(MOST_WARPS *WARP) linear_float_decode(linear_float_args l) {
  typedef typename storage<TYPE>::type T;
  constexpr int STEPS = PART / (LANES * (int)sizeof(T)); /* links of a chain in a turn */
  char *const shared = dynamic_shared<char>();
  const int32_t warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
  const int32_t first = (blockIdx.x * (blockDim.x / WARP) + warp) * COLUMNS;
  char *const ring = shared + warp * DEPTH * TURN;
  float *const x = (float *)(shared + blockDim.x / WARP * DEPTH * TURN);
  const int32_t turns = first < l.n ? l.k / (STEPS * LANES) : 0;
  /* Columns past the end repeat the last and are not stored. */
  const char *from = (const char *)l.w +
                     (int64_t)min(first + lane / PART_CHUNKS, l.n - 1) * l.k * (int)sizeof(T) +
                     lane % PART_CHUNKS * CHUNK;
  const uint32_t to = (uint32_t)__cvta_generic_to_shared(ring) + lane * CHUNK;
#pragma unroll
  for (int i = 0; i < DEPTH; ++i) {
    if (i < turns)
      copy_async(to + i * TURN, from + (int64_t)i * PART, true);
    commit_copies();
  }
  wait_for_previous();
  for (int32_t k = threadIdx.x * 4; k < l.k; k += blockDim.x * 4)
    *(float4 *)(x + k) = *(const float4 *)(l.x + k);
  __syncthreads();

  const int chain = lane % LANES, half = lane / LANES;
  float p[2] = {0, 0};
  const float *now = x + chain;
  from += (int64_t)DEPTH * PART;
  int slot = 0;
#pragma unroll 1
  for (int32_t turn = 0; turn < turns; ++turn) {
    wait_copies<DEPTH - 1>();
    __syncwarp(); /* other lanes' copies too */
    const T *const w = (const T *)(ring + slot * TURN + half * 2 * PART) + chain;
#pragma unroll
    for (int i = 0; i < STEPS; ++i) {
      const float value = now[i * LANES];
      p[0] = fmaf(value, widen(w[i * LANES], TYPE), p[0]);
      p[1] = fmaf(value, widen(w[PART / (int)sizeof(T) + i * LANES], TYPE), p[1]);
    }
    now += STEPS * LANES;
    __syncwarp(); /* before the slot is filled again */
    if (turn + DEPTH < turns)
      copy_async(to + slot * TURN, from, true);
    commit_copies();
    from += PART;
    slot = slot + 1 == DEPTH ? 0 : slot + 1;
  }
  start_next();
#pragma unroll
  for (int c = 0; c < 2; ++c) {
    for (int distance = LANES / 2; distance > 0; distance /= 2)
      p[c] += __shfl_xor_sync(ALL_LANES, p[c], distance);
    const int32_t column = first + half * 2 + c;
    if (chain == 0 && column < l.n)
      l.out[column] = l.bias ? p[c] + l.bias[column] : p[c];
  }
}

} // namespace

cudaError_t launch_linear_float_decode(const linear_float_args &l, mamba_type type, cudaStream_t stream) {
  device_info info;
  const cudaError_t error = get_device_info(&info);
  if (error != cudaSuccess)
    return error;
  /* Warps of a block share x; fewer where there are too few columns for every multiprocessor. */
  const int32_t warps_needed = ceil_div(l.n, COLUMNS);
  int32_t warps = MOST_WARPS;
  while (warps > 1 && ceil_div(warps_needed, warps) < info.multiprocessors)
    warps /= 2;
  const auto kernel = type == MAMBA_F16    ? linear_float_decode<MAMBA_F16>
                      : type == MAMBA_BF16 ? linear_float_decode<MAMBA_BF16>
                                           : linear_float_decode<MAMBA_F32>;
  return launch(kernel, dim3(ceil_div(warps_needed, warps)), warps * WARP,
                (size_t)warps * DEPTH * TURN + (size_t)l.k * sizeof(float), stream, 1, l);
}

} // namespace mamba
