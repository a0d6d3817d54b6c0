/* A barrier of all blocks of a cooperative launch, in two halves: between them a block does what needs
 * nothing of the others. */
#ifndef MAMBA_CUDA_GRID_BARRIER_CUH
#define MAMBA_CUDA_GRID_BARRIER_CUH

#include "instructions.cuh"

namespace mamba {

/* The number in memory is zero before the first launch. Arrivals are counted in its low bits; the first block
 * adds what is missing to 2^31 besides, so that each meeting flips the top bit and leaves the others zero:
 * ready for the next one, of this launch or of another. */
class grid_barrier {
public:
  __device__ explicit grid_barrier(uint32_t *number_) : number(number_), before(0) {}

  /* By all threads. What any of them wrote before is seen by every thread behind its wait(). */
  __device__ void arrive() {
    __syncthreads();
    if (threadIdx.x == 0)
      before = add_release(number, blockIdx.x == 0 ? TOP - (gridDim.x - 1) : 1);
  }

  __device__ void wait() const {
    if (threadIdx.x == 0)
      while (((load_acquire(number) ^ before) & TOP) == 0) {
      }
    __syncthreads();
  }

private:
  static constexpr uint32_t TOP = 1u << 31;
  uint32_t *number;
  uint32_t before;
};

} // namespace mamba

#endif
