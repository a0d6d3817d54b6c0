/* What the kernels of mamba_cuda_selective_scan share. */
#ifndef MAMBA_CUDA_SELECTIVE_SCAN_CUH
#define MAMBA_CUDA_SELECTIVE_SCAN_CUH

#include "functions.cuh"
#include "mamba_cuda.h"
#include "values.cuh"

namespace mamba {

struct scan {
  mamba_input u, dt, b, c, z;
  const float *a, *d_skip;
  float *state;
  int32_t batch, tokens, d, n;
  bool apply_softplus, has_skip, has_gate;
  mamba_output out;
};

/* The number of states that has kernels of its own. */
constexpr int USUAL_STATES = 16;

/* What the recipes make has code of its own, in which no value asks for its type: u and z of one type, dt in
 * f32, B and C as given; softplus, skip and gate are there. */
enum scan_types { ANY_TYPES, I8_I8, F16_F32, F32_F32 };

inline scan_types types_of(const scan &p) {
  const mamba_type t = p.u.type, bc = p.b.type;
  if (p.z.type != t || p.dt.type != MAMBA_F32 || p.c.type != bc || !p.apply_softplus || !p.has_skip ||
      !p.has_gate)
    return ANY_TYPES;
  return t == MAMBA_I8 && bc == MAMBA_I8     ? I8_I8
         : t == MAMBA_F16 && bc == MAMBA_F32 ? F16_F32
         : t == MAMBA_F32 && bc == MAMBA_F32 ? F32_F32
                                             : ANY_TYPES;
}

template <scan_types TYPES> __device__ inline scan typed(scan p) {
  if (TYPES != ANY_TYPES) {
    p.u.type = p.z.type = TYPES == I8_I8 ? MAMBA_I8 : TYPES == F16_F32 ? MAMBA_F16 : MAMBA_F32;
    p.b.type = p.c.type = TYPES == I8_I8 ? MAMBA_I8 : MAMBA_F32;
    p.dt.type = MAMBA_F32;
    p.apply_softplus = p.has_skip = p.has_gate = true;
  }
  return p;
}

/* delta, from dt as it is stored. */
__device__ inline float step_size(const scan &p, uint32_t dt_bits, int32_t channel) {
  const float dt = value_of(p.dt, dt_bits, channel);
  return p.apply_softplus ? softplus(dt) : dt;
}

/* Several steps with USUAL_STATES states. */
cudaError_t launch_scan_prefill(const scan &p, cudaStream_t stream);

} // namespace mamba

#endif
