/* One block's share of an int8 matrix-vector product whose weights flow through shared memory: the fused
 * kernels of decode.
 *
 * A warp reads 512 consecutive bytes of a column of k, a unit, 16 a lane; a block's units are dealt evenly to
 * its warps, however they fall into columns, since int32 sums may be added in any order. A thread copies its
 * next `depth` units by cp.async into a place of its own, and only itself reads them: no barriers, and a ring
 * that is filled while the block waits for its x, on GPUs with dependent launch while the kernels before
 * still run (see launch.h). */
#ifndef MAMBA_CUDA_WEIGHT_STREAM_CUH
#define MAMBA_CUDA_WEIGHT_STREAM_CUH

#include "async_copy.cuh"
#include "linear.cuh"

namespace mamba {

constexpr int STREAM_THREADS = 512, STREAM_WARPS = STREAM_THREADS / WARP, UNIT = WARP * CHUNK;
constexpr int STREAM_STEP = STREAM_THREADS * CHUNK; /* bytes of the ring per unit of depth */

/* The ring's depth, of which there are three, and not more than what a block is to read wants. Memory's
 * latency times its bandwidth, some 64 KiB a multiprocessor on the largest GPUs, must be in flight; what is
 * beyond is read ahead while the block waits. */
inline int32_t stream_depth(const device_info &info, int32_t columns, int32_t k, int32_t most) {
  const int32_t large_memory = 200 << 10;
  const int32_t wanted = info.shared_bytes >= large_memory ? most : 4;
  const int32_t useful = ceil_div(columns * ceil_div(k, UNIT), STREAM_WARPS);
  return useful <= 4 || wanted <= 4 ? 4 : useful <= 8 || wanted <= 8 ? 8 : 12;
}

/* The first of `items` that belongs to block `index` of `blocks`; block index + 1's ends its share. */
__host__ __device__ inline int32_t share(int32_t items, int32_t index, int32_t blocks) {
  return (int32_t)((uint32_t)items * (uint32_t)index /
                   (uint32_t)blocks); /* callers' products are below 2^32 */
}

/* The columns (rows of w) of a block: `split` of them from `first`, the others from second + split. */
struct stream_columns {
  int32_t first, count, split, second;
};

__device__ inline int32_t column_of(const stream_columns &columns, int32_t i) {
  return i < columns.split ? columns.first + i : columns.second + i;
}

class weight_stream {
public:
  const stream_columns columns;

  /* Starts filling the ring. w: [.., k], k a multiple of 16. ring: depth * STREAM_STEP bytes, 16-byte
   * aligned. */
  __device__ weight_stream(const int8_t *w, int32_t k, stream_columns columns_, void *ring, int32_t depth_)
      : columns(columns_), depth(depth_), steps(ceil_div(k, UNIT)) {
    const int32_t warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    const int32_t units = columns.count * steps;
    begin = share(units, warp, STREAM_WARPS);
    left = share(units, warp + 1, STREAM_WARPS) - begin;
    const int32_t column = begin / steps, step = begin % steps;
    ahead = left;
    ahead_in_column = steps - step;
    ahead_columns = columns.split - column; /* until the jump */
    jump = (int64_t)(columns.second - columns.first) * k;
    wrap = k - steps * UNIT; /* at the end of a column, beside UNIT */
    in_last = ((steps - 1) * WARP + lane) * CHUNK < k;
    from = w + (int64_t)column_of(columns, column) * k + step * UNIT + lane * CHUNK;
    slots = (char *)ring + threadIdx.x * CHUNK;
    char *slot = slots;
    for (int i = 0; i < depth; ++i, slot += STREAM_STEP)
      copy_next(slot);
  }

  /* sums[i] += the product of column i and x, by all threads of the block, which then need a barrier. x: [k]
   * int8, then zeros up to a multiple of UNIT, 16-byte aligned; sums: [columns.count]; both in shared memory.
   */
  __device__ void multiply(const int8_t *x, int32_t *sums) {
    if (depth == 12)
      run<12>(x, sums);
    else if (depth == 8)
      run<8>(x, sums);
    else
      run<4>(x, sums);
    wait_copies<0>(); /* those that the caller started before the stream, in threads that had no unit */
  }

private:
  const int8_t *from; /* what is copied next, of `ahead` units */
  char *slots;
  int64_t jump;
  const int32_t depth, steps;
  int32_t begin, left, ahead, ahead_in_column, ahead_columns, wrap;
  bool in_last;

  __device__ void copy_next(char *slot) {
    if (ahead > 0 && (ahead_in_column > 1 || in_last)) /* else x is zero there */
      copy_async((uint32_t)__cvta_generic_to_shared(slot), from, true);
    commit_copies();
    --ahead;
    from += UNIT;
    if (--ahead_in_column == 0) {
      ahead_in_column = steps;
      from += wrap + (--ahead_columns == 0 ? jump : 0);
    }
  }

  template <int DEPTH> __device__ void run(const int8_t *x, int32_t *sums) {
    const int8_t *const first = x + threadIdx.x % WARP * CHUNK, *values = first + begin % steps * UNIT;
    int32_t *sum = sums + begin / steps, acc = 0;
    int32_t in_column = min(left, steps - begin % steps);
    char *slot = slots;
#pragma unroll 1
    for (; left > 0; --left) {
      wait_copies<DEPTH - 1>();
      acc = dot16(*(const int4 *)values, *(const int4 *)slot, acc);
      copy_next(slot);
      slot = slot == slots + (DEPTH - 1) * STREAM_STEP ? slots : slot + STREAM_STEP;
      values += UNIT;
      if (--in_column == 0) {
        acc = __reduce_add_sync(ALL_LANES, acc);
        if (threadIdx.x % WARP == 0)
          atomicAdd(sum, acc);
        ++sum;
        acc = 0;
        values = first;
        in_column = min(left - 1, steps);
      }
    }
  }
};

} // namespace mamba

#endif
