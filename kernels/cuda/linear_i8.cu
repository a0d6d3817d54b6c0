/* mamba_cuda_linear_i8: checks, and the choice between the decode and the prefill kernels. */
#include "linear.cuh"

static bool outputs_fit(const mamba_output *outputs, int32_t count, int32_t n) {
  int64_t channels = 0;
  for (int32_t o = 0; o < count; ++o) {
    if (outputs[o].channels < 0 || outputs[o].type == MAMBA_BF16)
      return false;
    channels += outputs[o].channels;
  }
  return channels == n;
}

static bool has_quads(const mamba_output *outputs, int32_t count) {
  bool quads = true;
  for (int32_t o = 0; o < count; ++o) {
    const size_t size = mamba::stored_size(outputs[o].type);
    quads = quads && outputs[o].channels % mamba::QUAD == 0 &&
            mamba::is_aligned(outputs[o].data, mamba::QUAD * size);
  }
  return quads;
}

cudaError_t mamba_cuda_linear_i8(const int8_t *x, const float *row_scale, const int8_t *w,
                                 const float *multiplier, const float *bias, int32_t rows, int32_t k,
                                 int32_t n, const mamba_output *outputs, int32_t output_count,
                                 cudaStream_t stream) {
  using namespace mamba;
  if (rows < 0 || k <= 0 || k > MAMBA_LINEAR_I8_MAX_K || n <= 0 || output_count < 1 ||
      output_count > MAMBA_CUDA_MAX_OUTPUTS || !outputs_fit(outputs, output_count, n))
    return cudaErrorInvalidValue;
  if (rows == 0)
    return cudaSuccess;
  linear l = {
      x, w, row_scale, multiplier, bias, rows, k, n, output_count, {}, has_quads(outputs, output_count)};
  for (int32_t o = 0; o < output_count; ++o)
    l.outputs[o] = outputs[o];
  const bool vector = k % CHUNK == 0 && is_aligned(x, CHUNK) && is_aligned(w, CHUNK);
  bool taken = false;
  cudaError_t error = vector ? launch_linear_rows(l, &taken, stream) : cudaSuccess;
  if (error != cudaSuccess || taken)
    return error;
  if (rows <= DECODE_ROWS)
    return launch_linear_decode(l, vector, stream);
  if (vector)
    error = launch_linear_wgmma(l, &taken, stream);
  return error != cudaSuccess || taken ? error : launch_linear_prefill(l, vector, stream);
}
