/* One block's share of an int8 matrix-vector product whose weights flow through shared memory: the fused
 * kernels of decode.
 *
 * A unit is 512 consecutive bytes of a column of k, 16 a lane. A column is cut into `parts` of at most
 * MOST_STEPS units; a warp always has the same part, so that its values of x stay in registers, and takes it
 * of one column after the other: an item. A thread copies the units of its next items by cp.async into a
 * place of its own, and only itself reads them: no barriers, and a ring that is filled while the block waits
 * for its x, on GPUs with dependent launch while the kernels before still run (see launch.h). int32 sums may
 * be added in any order.
 *
 * Bound: bytes of w. A unit takes 22 instructions (55 when x came from shared memory and a warp's units were
 * dealt without regard to columns, which was the bound on GPUs without dependent launch). */
#ifndef MAMBA_CUDA_WEIGHT_STREAM_CUH
#define MAMBA_CUDA_WEIGHT_STREAM_CUH

#include "instructions.cuh"
#include "linear.cuh"

namespace mamba {

constexpr int STREAM_THREADS = 512, STREAM_WARPS = STREAM_THREADS / WARP, UNIT = WARP * CHUNK;
constexpr int STREAM_STEP = STREAM_THREADS * CHUNK; /* bytes of the ring per unit of depth */
constexpr int MOST_STEPS = 5;

/* How the columns of a product are cut: `steps` units a part; and how many units a thread's ring holds. */
struct stream_shape {
  int32_t parts, steps, depth;
};

inline int32_t ring_bytes(const stream_shape &shape) {
  return shape.depth * STREAM_STEP;
}

/* The shape for `columns` columns a block, with a ring of `most` units where shared memory is large. Memory's
 * latency times its bandwidth, some 64 KiB a multiprocessor on the largest GPUs, must be in flight; what is
 * beyond is read ahead while the block waits. */
inline stream_shape shape_stream(const device_info &info, int32_t columns, int32_t k, int32_t most) {
  const bool large = info.shared_bytes >= 200 << 10;
  stream_shape shape = {1, ceil_div(k, UNIT), 0};
  while (shape.steps > MOST_STEPS) {
    shape.parts *= 2;
    shape.steps = ceil_div(ceil_div(k, UNIT), shape.parts);
  }
  const int32_t useful = ceil_div(columns * shape.parts, STREAM_WARPS) * shape.steps;
  const int32_t wanted = large && useful > 4 ? most : 4;
  shape.depth = useful <= 8 && wanted > 8 ? 8 : wanted;
  return shape;
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

/* DEPTHS: of the rings that it may be given. */
template <int... DEPTHS> class weight_stream {
public:
  const stream_columns columns;

  /* ring: ring_bytes(shape) bytes, 16-byte aligned. */
  __device__ weight_stream(int32_t k_, stream_columns columns_, void *ring, const stream_shape &shape)
      : columns(columns_), k(k_), steps(shape.steps), depth(shape.depth) {
    const int32_t warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    begin = (warp % shape.parts * steps * WARP + lane) * CHUNK;
    column = warp / shape.parts;
    stride = STREAM_WARPS / shape.parts;
    slots = (uint32_t)__cvta_generic_to_shared(ring) + threadIdx.x * CHUNK;
  }

  /* Of a product with w: [.., k], k a multiple of 16. */
  __device__ void prepare(const int8_t *w) {
    from = w + begin;
    ahead = column;
    step = filled = 0;
  }

  /* Starts filling the ring. */
  __device__ void start() { fill(depth); }

  /* Starts filling the first `units` units of it, those that are not yet. */
  __device__ void fill(int32_t units) {
    for (; filled < units; ++filled) {
      copy(slots + filled * STREAM_STEP, item(ahead), step, ahead);
      if (++step == steps) {
        step = 0;
        ahead += stride;
      }
    }
  }

  /* sums[i] += the product of column i and x, by all threads of the block, which then need a barrier. x: [k]
   * int8, then zeros up to a multiple of UNIT, 16-byte aligned; sums: [columns.count]; both in shared memory.
   */
  __device__ void multiply(const int8_t *x, int32_t *sums) {
    if (ceil_div(columns.count, stride) * steps <= depth)
      run_kept(x, sums);
    else
      (void)((depth == DEPTHS && (run<DEPTHS>(x, sums), true)) || ...);
    wait_copies<0>(); /* those that the caller started before the stream, in threads that had no item */
  }

private:
  const int8_t *from; /* the lane's first bytes of its part, in column 0 */
  uint32_t slots;
  const int32_t k, steps, depth;
  int32_t begin, column, stride, ahead, step, filled; /* unit `step` of column `ahead` is copied next */

  __device__ const int8_t *item(int32_t of_column) const {
    return from + (int64_t)column_of(columns, of_column) * k;
  }

  /* Unit s of the part; x is zero where nothing is copied. */
  __device__ void copy(uint32_t slot, const int8_t *source, int32_t s, int32_t of_column) const {
    if (begin + s * UNIT < k && of_column < columns.count)
      copy_async(slot, source + s * UNIT, true);
    commit_copies();
  }

  /* Comparisons: a switch would be a jump through a table in constant memory, which every kernel finds in no
   * cache. */
#define MAMBA_FOR_STEPS(RUN)                                                                                 \
  if (steps <= 2) {                                                                                          \
    if (steps == 1)                                                                                          \
      RUN(1);                                                                                                \
    else                                                                                                     \
      RUN(2);                                                                                                \
  } else if (steps <= 3) {                                                                                   \
    RUN(3);                                                                                                  \
  } else if (steps <= 4) {                                                                                   \
    RUN(4);                                                                                                  \
  } else {                                                                                                   \
    RUN(MOST_STEPS);                                                                                         \
  }

  template <int DEPTH>
  __device__ void run(const int8_t *x, int32_t *sums){
#define MAMBA_RUN(STEPS) run<DEPTH, STEPS>(x, sums)
      MAMBA_FOR_STEPS(MAMBA_RUN)
#undef MAMBA_RUN
  }

  /* Where the ring holds everything. */
  __device__ void run_kept(const int8_t *x, int32_t *sums) {
#define MAMBA_RUN(STEPS) run_kept<STEPS>(x, sums)
    MAMBA_FOR_STEPS(MAMBA_RUN)
#undef MAMBA_RUN
  }
#undef MAMBA_FOR_STEPS

  template <int STEPS> __device__ void load_values(const int8_t *x, int4 (&values)[STEPS]) const {
#pragma unroll
    for (int s = 0; s < STEPS; ++s)
      values[s] = begin + s * UNIT < round_up(k, UNIT) ? *(const int4 *)(x + begin + s * UNIT)
                                                       : make_int4(0, 0, 0, 0);
  }

  template <int STEPS> __device__ void run_kept(const int8_t *x, int32_t *sums) const {
    int4 values[STEPS];
    load_values(x, values);
    wait_copies<0>();
    uint32_t slot = slots;
#pragma unroll 1
    for (int32_t now = column; now < columns.count; now += stride, slot += STEPS * STREAM_STEP) {
      int32_t acc = 0;
#pragma unroll
      for (int s = 0; s < STEPS; ++s)
        acc = dot16(values[s], load_shared(slot + s * STREAM_STEP), acc);
      acc = __reduce_add_sync(ALL_LANES, acc);
      if (threadIdx.x % WARP == 0)
        atomicAdd(sums + now, acc);
    }
  }

  /* Unit s of an item is followed in the ring, DEPTH units later, by unit (s + DEPTH) % STEPS. */
  template <int DEPTH, int STEPS> __device__ void run(const int8_t *x, int32_t *sums) {
    int4 values[STEPS];
    load_values(x, values);
    const uint32_t last = slots + (DEPTH - 1) * STREAM_STEP;
    uint32_t slot = slots;
    const int8_t *source = item(ahead);
#pragma unroll 1
    for (int32_t now = column; now < columns.count; now += stride) {
      int32_t acc = 0;
#pragma unroll
      for (int s = 0; s < STEPS; ++s) {
        wait_copies<DEPTH - 1>();
        acc = dot16(values[s], load_shared(slot), acc);
        copy(slot, source, (s + DEPTH) % STEPS, ahead);
        slot = slot == last ? slots : slot + STREAM_STEP;
        if ((s + DEPTH) % STEPS == STEPS - 1) {
          ahead += stride;
          source = item(ahead);
        }
      }
      acc = __reduce_add_sync(ALL_LANES, acc);
      if (threadIdx.x % WARP == 0)
        atomicAdd(sums + now, acc);
    }
  }
};

} // namespace mamba

#endif
