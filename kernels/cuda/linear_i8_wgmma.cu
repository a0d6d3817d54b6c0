/* The int8 matrix-matrix product of prefill on Hopper's tensor cores (wgmma, s8 x s8 -> s32, exact).
 *
 * A block computes TILE_M rows x N columns. The copy engine brings tiles of 128 bytes of k (zeros past
 * the ends) to a ring of stages in shared memory; two warpgroups multiply, 64 rows each, both operands from
 * shared memory. Accumulators then pass through shared memory to the outputs (linear_result.cuh); two blocks
 * share a multiprocessor, so that one multiplies meanwhile. Blocks that share weights are neighbours (M
 * varies fastest): weights come from memory once. N is chosen so that the tiles fill the multiprocessors
 * evenly: 1024 rows of 2.8b are 4 x 128 tiles of 160 columns in in_proj and 128 in out_proj, on 132
 * multiprocessors. Where there are few tiles (x_proj), the blocks of a cluster divide k and add their sums,
 * which are integers, through each other's shared memory.
 *
 * Bound: tensor cores, and the bandwidth of shared memory, which a tile of 160 columns takes up nearly as
 * much.
 *
 * Reaches on an H200, 1024 rows of 2.8b: in_proj 1180 TOP/s, out_proj 980, the same as cublasLt. */
#include "linear_result.cuh"

#if CUDART_VERSION >= 12050
#include "wgmma.cuh"

namespace mamba {
namespace {

constexpr int TILE_M = 128, TILE_K = 128, GROUPS = 2, THREADS = GROUPS * 128;

constexpr int BLOCKS = 2; /* of a multiprocessor, with its 228 KiB of shared memory, 1 KiB for each block */

template <int N> struct tile_shape {
  static constexpr int A_BYTES = TILE_M * TILE_K, STAGE_BYTES = A_BYTES + N * TILE_K;
  static constexpr int ALIGNMENT = 1024, BARRIER_BYTES = 128;
  static constexpr int ROOM = (228 / BLOCKS - 1) * 1024 - ALIGNMENT - BARRIER_BYTES;
  static constexpr int STAGES = ROOM / STAGE_BYTES < 6 ? ROOM / STAGE_BYTES : 6;
  static constexpr int SHARED_BYTES = STAGES * STAGE_BYTES + ALIGNMENT + BARRIER_BYTES;
  typedef result_shape<TILE_M, N, 1, THREADS> result; /* takes the place of the stages */
  static_assert(STAGES >= 3 && result::BYTES <= STAGES * STAGE_BYTES, "fits");
  static_assert(STAGE_BYTES % ALIGNMENT == 0, "the swizzle repeats");
};

#ifndef __CUDA_ARCH_FEAT_SM90_ALL
#define MAMBA_CLUSTER(blocks)
#else
#define MAMBA_CLUSTER(blocks) __cluster_dims__(1, 1, blocks)

/* Adds the tiles of the SPLIT blocks of a cluster: this one's share of the rows, into its own tile. */
template <typename R, int SPLIT> __device__ inline void add_tiles(int32_t *tiles, int rank) {
  constexpr int ROWS = R::M / SPLIT, ACROSS = R::N / 4;
  arrive_cluster();
  wait_cluster();
  for (int i = threadIdx.x; i < ROWS * ACROSS; i += R::THREADS) {
    int4 *const own = (int4 *)&tiles[(rank * ROWS + i / ACROSS) * R::STRIDE + i % ACROSS * 4];
    int4 sum = *own;
#pragma unroll
    for (int other = 1; other < SPLIT; ++other) {
      const int4 part = load_cluster(shared_address(own), (rank + other) % SPLIT);
      sum = make_int4(sum.x + part.x, sum.y + part.y, sum.z + part.z, sum.w + part.w);
    }
    *own = sum;
  }
  arrive_cluster(); /* a block ends when nobody reads its tile any more */
  __syncthreads();
}

/* The tile of this block; of SPLIT blocks that are neighbours in z, each multiplies a part of k. */
template <int N, int SPLIT>
__device__ inline void multiply_tile(const CUtensorMap &x, const CUtensorMap &w, const linear &l) {
  typedef tile_shape<N> S;
  uint8_t *const unaligned = dynamic_shared<uint8_t>();
  uint8_t *const shared = unaligned + (-shared_address(unaligned) & (S::ALIGNMENT - 1));
  const uint32_t stages = shared_address(shared), full = stages + S::STAGES * S::STAGE_BYTES;
  const uint32_t empty = full + S::STAGES * 8;
  const int32_t m0 = blockIdx.x * TILE_M, n0 = blockIdx.y * N, all_steps = ceil_div(l.k, TILE_K);
  const int32_t first_step = all_steps * (int32_t)blockIdx.z / SPLIT;
  const int32_t steps = all_steps * (int32_t)(blockIdx.z + 1) / SPLIT - first_step;
  const int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
  if (threadIdx.x == 0) {
    for (int s = 0; s < S::STAGES; ++s) {
      start_signal(full + 8 * s, 1);
      start_signal(empty + 8 * s, THREADS / WARP);
    }
    signals_started();
  }
  __syncthreads();
  wait_for_previous();

  /* One thread has the tiles brought: there are no registers for a warp of its own. */
  const auto bring = [&](int32_t step, int stage) {
    const uint32_t to = stages + stage * S::STAGE_BYTES, barrier = full + 8 * stage;
    arrive_expecting(barrier, S::STAGE_BYTES);
    copy_box(to, &x, (first_step + step) * TILE_K, m0, barrier);
    copy_box(to + S::A_BYTES, &w, (first_step + step) * TILE_K, n0, barrier);
  };
  if (threadIdx.x == 0)
    for (int32_t step = 0; step < S::STAGES && step < steps; ++step)
      bring(step, step);

  int32_t acc[N / 2] = {};
  int stage = 0, previous = 0;
  uint32_t parity = 0, previous_parity = 0;
  for (int32_t step = 0; step < steps; ++step) {
    const uint32_t tile = stages + stage * S::STAGE_BYTES;
    const uint64_t a = describe_rows(tile + warp / 4 * (S::A_BYTES / GROUPS)),
                   b = describe_rows(tile + S::A_BYTES);
    wait_signal(full + 8 * stage, parity);
    begin_products();
#pragma unroll
    for (int part = 0; part < TILE_K / 32; ++part)
      multiply<N>(acc, a + part * 2, b + part * 2); /* descriptors count 16 bytes */
    commit_products();
    wait_products<1>(); /* so this warp is done with the stage before */
    const int32_t next = step - 1 + S::STAGES;
    if (step > 0 && next < steps) {
      if (lane == 0)
        arrive_signal(empty + 8 * previous);
      if (threadIdx.x == 0) {
        wait_signal(empty + 8 * previous, previous_parity);
        bring(next, previous);
      }
    }
    previous = stage;
    previous_parity = parity;
    if (++stage == S::STAGES) {
      stage = 0;
      parity ^= 1;
    }
  }
  wait_products<0>();
  start_next();
  __syncthreads(); /* all stages are free */
  int32_t *const tiles = (int32_t *)shared;
#pragma unroll
  for (int n = 0; n < N / 8; ++n)
    keep_accumulators<typename S::result>(tiles, warp * 16, n * 8, &acc[n * 4]);
  __syncthreads();
  if constexpr (SPLIT == 1) {
    store_result<typename S::result>(l, tiles, m0, n0);
  } else {
    typedef result_shape<TILE_M / SPLIT, N, 1, THREADS> rows;
    const int rank = blockIdx.z;
    add_tiles<typename S::result, SPLIT>(tiles, rank);
    store_result<rows>(l, tiles + rank * rows::SIZE, m0 + rank * rows::M, n0);
    wait_cluster();
  }
}
#endif

/* A cluster belongs to the kernel; where a block has a tile to itself there is none. */
template <int N>
__global__ void __launch_bounds__(THREADS, BLOCKS)
    linear_wgmma(const __grid_constant__ CUtensorMap x, const __grid_constant__ CUtensorMap w,
                 const __grid_constant__ linear l) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  multiply_tile<N, 1>(x, w, l);
#endif
}

template <int N, int SPLIT>
__global__ void MAMBA_CLUSTER(SPLIT) __launch_bounds__(THREADS, BLOCKS)
    linear_wgmma_split(const __grid_constant__ CUtensorMap x, const __grid_constant__ CUtensorMap w,
                       const __grid_constant__ linear l) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  multiply_tile<N, SPLIT>(x, w, l);
#endif
}

/* How the copy engine sees a matrix of `rows` rows of k bytes: boxes of `box` rows of TILE_K bytes. */
cudaError_t describe_matrix(const int8_t *matrix, int32_t rows, int32_t k, int box, CUtensorMap *map) {
  typedef decltype(&cuTensorMapEncodeTiled) encoder;
  static const encoder encode = [] {
    void *found = NULL;
    cudaDriverEntryPointQueryResult result;
    const cudaError_t error =
        cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found, 12000, cudaEnableDefault, &result);
    return error == cudaSuccess && result == cudaDriverEntryPointSuccess ? (encoder)found : NULL;
  }();
  if (!encode)
    return cudaErrorNotSupported;
  const cuuint64_t size[] = {(cuuint64_t)k, (cuuint64_t)rows}, stride[] = {(cuuint64_t)k};
  const cuuint32_t boxes[] = {TILE_K, (cuuint32_t)box}, step[] = {1, 1};
  return encode(map, CU_TENSOR_MAP_DATA_TYPE_UINT8, 2, (void *)matrix, size, stride, boxes, step,
                CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
                CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE) == CUDA_SUCCESS
             ? cudaSuccess
             : cudaErrorInvalidValue;
}

template <int N, int SPLIT> auto kernel_of() {
  if constexpr (SPLIT == 1)
    return linear_wgmma<N>;
  else
    return linear_wgmma_split<N, SPLIT>;
}

template <int N, int SPLIT> cudaError_t launch_tiles(const linear &l, cudaStream_t stream) {
  CUtensorMap x, w;
  cudaError_t error = describe_matrix(l.x, l.rows, l.k, TILE_M, &x);
  if (error == cudaSuccess)
    error = describe_matrix(l.w, l.n, l.k, N, &w);
  if (error == cudaSuccess)
    error = launch(kernel_of<N, SPLIT>(), dim3(ceil_div(l.rows, TILE_M), ceil_div(l.n, N), SPLIT), THREADS,
                   tile_shape<N>::SHARED_BYTES, stream, l.rows, x, w, l);
  return error;
}

} // namespace

cudaError_t launch_linear_wgmma(const linear &l, bool *taken, cudaStream_t stream) {
  typedef cudaError_t (*launcher)(const linear &, cudaStream_t);
  static const struct {
    int columns, split;
    launcher launch;
  } choices[] = {
      {48, 1, launch_tiles<48, 1>},   {64, 1, launch_tiles<64, 1>},   {96, 1, launch_tiles<96, 1>},
      {128, 1, launch_tiles<128, 1>}, {160, 1, launch_tiles<160, 1>}, {160, 2, launch_tiles<160, 2>},
      {96, 4, launch_tiles<96, 4>},   {48, 8, launch_tiles<48, 8>},   {96, 8, launch_tiles<96, 8>}};
  const int tile_overhead = 32; /* of a tile beside its columns, in columns */
  const int split_overhead = 3, least_steps = 4;
  *taken = false;
  device_info info;
  const cudaError_t error = get_device_info(&info);
  if (error != cudaSuccess || !info.warpgroups || l.rows <= TILE_M / 2)
    return error;
  launcher best = NULL;
  int64_t least = INT64_MAX;
  for (const auto &choice : choices) {
    const int64_t tiles = (int64_t)ceil_div(l.rows, TILE_M) * ceil_div(l.n, choice.columns) * choice.split;
    const int64_t rounds = (tiles - 1) / info.multiprocessors + 1;
    const int32_t steps = ceil_div(ceil_div(l.k, TILE_K), choice.split);
    const int64_t cost =
        (choice.columns + tile_overhead) * (rounds * steps + (choice.split > 1 ? split_overhead : 0));
    if (tiles * 2 > info.multiprocessors && (choice.split == 1 || steps >= least_steps) && cost < least) {
      least = cost;
      best = choice.launch;
    }
  }
  *taken = best != NULL;
  return best ? best(l, stream) : cudaSuccess;
}

} // namespace mamba

#else /* an older toolkit cannot say how the copy engine sees a matrix */

cudaError_t mamba::launch_linear_wgmma(const linear &, bool *taken, cudaStream_t) {
  *taken = false;
  return cudaSuccess;
}

#endif
