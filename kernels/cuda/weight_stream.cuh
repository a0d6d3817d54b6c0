/* One block's share of an int8 matrix-vector product whose weights flow through shared memory: the fused
 * kernels of decode.
 *
 * A group of `lanes` lanes reads 16 * lanes consecutive bytes of a column of k, a unit; a block's units are
 * dealt evenly to its groups, however they fall into columns, since int32 sums may be added in any order. A
 * thread copies its next `depth` units by cp.async into a place of its own, and only itself reads them: no
 * barriers, and a ring that is filled while the block waits for its x, on GPUs with dependent launch while
 * the kernels before still run (see launch.h). */
#ifndef MAMBA_CUDA_WEIGHT_STREAM_CUH
#define MAMBA_CUDA_WEIGHT_STREAM_CUH

#include "async_copy.cuh"
#include "linear.cuh"

namespace mamba {

constexpr int STREAM_THREADS = 512;
constexpr int STREAM_STEP = STREAM_THREADS * CHUNK; /* bytes of the ring per unit of depth */

/* The ring's depth, of which there are three, and not more than what a block is to read wants. Memory's
 * latency times its bandwidth, some 64 KiB a multiprocessor on the largest GPUs, must be in flight; what is
 * beyond is read ahead while the block waits. */
inline int32_t stream_depth(const device_info &info, int64_t block_bytes, int32_t most) {
  const int32_t large_memory = 200 << 10;
  const int32_t wanted = info.shared_bytes >= large_memory ? most : 4;
  const int64_t useful = (block_bytes - 1) / STREAM_STEP + 1;
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

  /* Starts filling the ring. w: [.., k], k a multiple of 128. ring: depth * STREAM_STEP bytes,
   * 16-byte aligned. */
  __device__ weight_stream(const int8_t *w, int32_t k, stream_columns columns_, void *ring, int32_t depth_)
      : columns(columns_), depth(depth_) {
    const int32_t chunks = k / CHUNK, lanes_bits = chunks % 32 == 0 ? 5 : chunks % 16 == 0 ? 4 : 3;
    lanes = 1 << lanes_bits;
    steps = chunks >> lanes_bits;
    lane = (int32_t)threadIdx.x & (lanes - 1);
    const int32_t units = columns.count * steps, groups = STREAM_THREADS >> lanes_bits;
    const int32_t group = (int32_t)threadIdx.x >> lanes_bits;
    unit = share(units, group, groups);
    end = share(units, group + 1, groups);
    /* Units of adjacent columns are adjacent in memory, but for one jump. */
    jump_unit = columns.split * steps;
    jump = (int64_t)(columns.second - columns.first) * k;
    ahead = unit;
    from = w + (int64_t)columns.first * k + ((int64_t)unit * lanes + lane) * CHUNK +
           (unit > jump_unit ? jump : 0);
    own = (int4 *)ring + threadIdx.x;
    to = (uint32_t)__cvta_generic_to_shared(own);
    for (int i = 0; i < depth; ++i)
      copy_next(i);
  }

  /* sums[i] += the product of column i and x, by all threads of the block, which then need a barrier. x: [k]
   * int8, 16-byte aligned; sums: [columns.count]; both in shared memory. */
  __device__ void multiply(const int8_t *x, int32_t *sums) {
    const int32_t group_lanes = (int32_t)(threadIdx.x % WARP) - lane;
    const unsigned mask = (lanes == WARP ? ALL_LANES : (1u << lanes) - 1) << group_lanes;
    int32_t column = unit / steps, step = unit % steps, slot = 0, acc = 0;
    while (unit < end) {
      wait_oldest();
      acc = dot16(*(const int4 *)(x + (step * lanes + lane) * CHUNK), own[slot * STREAM_THREADS], acc);
      copy_next(slot);
      slot = slot + 1 == depth ? 0 : slot + 1;
      ++unit;
      if (++step == steps || unit == end) {
        for (int32_t distance = lanes / 2; distance > 0; distance /= 2)
          acc += __shfl_xor_sync(mask, acc, distance);
        if (lane == 0)
          atomicAdd(&sums[column], acc);
        acc = 0;
        step = 0;
        ++column;
      }
    }
    wait_copies<0>(); /* those that the caller started before the stream, in threads that had no unit */
  }

private:
  const int8_t *from; /* what is copied next, unit `ahead` */
  int4 *own;
  uint32_t to;
  int64_t jump;
  int32_t depth, lanes, lane, steps, unit, end, ahead, jump_unit;

  __device__ void wait_oldest() const {
    if (depth == 12)
      wait_copies<11>();
    else if (depth == 8)
      wait_copies<7>();
    else
      wait_copies<3>();
  }
  __device__ void copy_next(int slot) {
    if (ahead == jump_unit)
      from += jump;
    if (ahead < end)
      copy_async(to + slot * STREAM_THREADS * CHUNK, from, true);
    commit_copies();
    from += lanes * CHUNK;
    ++ahead;
  }
};

} // namespace mamba

#endif
