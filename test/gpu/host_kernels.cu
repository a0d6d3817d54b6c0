/* The functions of kernels/mamba_kernels.h, on host memory, computed by the GPU: linked in place of
 * kernels/dispatch.c, so that the tests of the CPU's kernels test those of the GPU.
 *
 * Every buffer gets an allocation of its exact size, so that compute-sanitizer sees one byte too far. All
 * workers of a call pass the same arguments; the last one called, worker 0, does the work. */
#include "check.h"
#include "cuda/mamba_cuda.h"

#include <string.h>
#include <vector>

namespace {

size_t size_of(mamba_type type) {
  return type == MAMBA_I8 ? 1 : type == MAMBA_F32 ? 4 : 2;
}

class device_memory {
public:
  /* A copy of `count` values on the device. NULL stays NULL. */
  template <typename T> const T *read(const T *host, int64_t count) {
    return (const T *)place((void *)host, count * sizeof(T), false);
  }
  /* The same, which finish() copies back. */
  template <typename T> T *write(T *host, int64_t count) { return (T *)place(host, count * sizeof(T), true); }
  mamba_input read(mamba_input in, int64_t count, int32_t channels) {
    in.data = place((void *)in.data, count * size_of(in.type), false);
    in.scales = read(in.scales, channels);
    return in;
  }
  mamba_output write(mamba_output out, int64_t count, int32_t channels) {
    out.data = place(out.data, count * size_of(out.type), true);
    out.inv_scales = read(out.inv_scales, channels);
    return out;
  }
  template <typename T> T *zeros(int64_t count) {
    const std::vector<char> bytes(count * sizeof(T));
    return (T *)place((void *)bytes.data(), bytes.size(), false);
  }
  const void *read_bytes(const void *host, int64_t bytes) { return place((void *)host, bytes, false); }
  void *write_bytes(void *host, int64_t bytes) { return place(host, bytes, true); }

  void finish(cudaError_t launched) {
    CHECK(launched);
    CHECK(cudaDeviceSynchronize());
    for (const block &b : blocks) {
      if (b.copy_back)
        CHECK(cudaMemcpy(b.host, b.device, b.bytes, cudaMemcpyDeviceToHost));
      CHECK(cudaFree(b.device));
    }
    blocks.clear();
  }

private:
  struct block {
    void *host, *device;
    size_t bytes;
    bool copy_back;
  };
  std::vector<block> blocks;

  void *place(void *host, size_t bytes, bool copy_back) {
    if (!host)
      return NULL;
    for (block &b : blocks) /* an output that is also an input */
      if (b.host == host && bytes > 0) {
        b.copy_back = b.copy_back || copy_back;
        return b.device;
      }
    block b = {host, NULL, bytes, copy_back};
    CHECK(cudaMalloc(&b.device, bytes > 0 ? bytes : 1));
    CHECK(cudaMemcpy(b.device, host, bytes, cudaMemcpyHostToDevice));
    blocks.push_back(b);
    return b.device;
  }
};

int32_t last_id(const int32_t *ids, int32_t rows) {
  int32_t last = 0;
  for (int32_t i = 0; i < rows; ++i)
    last = ids[i] > last ? ids[i] : last;
  return last;
}

} // namespace

extern "C" {

void mamba_embedding(const int32_t *ids, const void *table, mamba_type type, int32_t rows, int32_t d,
                     float *out, mamba_worker worker) {
  if (worker.index != 0)
    return;
  device_memory m;
  const int64_t bytes = (int64_t)(last_id(ids, rows) + 1) * d * size_of(type);
  m.finish(mamba_cuda_embedding(m.read(ids, rows), m.read_bytes(table, bytes), type, rows, d,
                                m.write(out, (int64_t)rows * d), 0));
}

void mamba_rms_norm(const float *x, const float *delta, float *sum, const float *gamma, float epsilon,
                    int32_t rows, int32_t d, mamba_output out, float *row_scale, mamba_worker worker) {
  if (worker.index != 0)
    return;
  device_memory m;
  const int64_t count = (int64_t)rows * d;
  m.finish(mamba_cuda_rms_norm(m.read(x, count), m.read(delta, count), m.write(sum, count), m.read(gamma, d),
                               epsilon, rows, d, m.write(out, count, d), m.write(row_scale, rows), 0));
}

void mamba_linear_i8(const int8_t *x, const float *row_scale, const int8_t *w, const float *multiplier,
                     const float *bias, int32_t rows, int32_t k, int32_t n, const mamba_output *outputs,
                     int32_t output_count, mamba_worker worker) {
  if (worker.index != 0)
    return;
  device_memory m;
  mamba_output placed[MAMBA_CUDA_MAX_OUTPUTS];
  for (int32_t o = 0; o < output_count; ++o)
    placed[o] = m.write(outputs[o], (int64_t)rows * outputs[o].channels, outputs[o].channels);
  m.finish(mamba_cuda_linear_i8(m.read(x, (int64_t)rows * k), m.read(row_scale, rows),
                                m.read(w, (int64_t)n * k), m.read(multiplier, n), m.read(bias, n), rows, k, n,
                                placed, output_count, 0));
}

void mamba_linear_float(const float *x, const void *w, mamba_type type, const float *bias, int32_t rows,
                        int32_t k, int32_t n, float *out, mamba_worker worker) {
  if (worker.index != 0)
    return;
  device_memory m;
  m.finish(mamba_cuda_linear_float(m.read(x, (int64_t)rows * k),
                                   m.read_bytes(w, (int64_t)n * k * size_of(type)), type, m.read(bias, n),
                                   rows, k, n, m.write(out, (int64_t)rows * n), 0));
}

void mamba_conv1d(mamba_input x, const void *w, mamba_type w_type, const float *multiplier, const float *bias,
                  bool apply_silu, void *state, int32_t batch, int32_t tokens, int32_t d, int32_t width,
                  const mamba_output *outputs, int32_t output_count, mamba_worker worker) {
  if (worker.index != 0)
    return;
  device_memory m;
  const int64_t count = (int64_t)batch * tokens * d, past = (int64_t)batch * (width - 1) * d;
  mamba_output placed[MAMBA_CUDA_MAX_OUTPUTS];
  for (int32_t o = 0; o < output_count; ++o)
    placed[o] = m.write(outputs[o], count, d);
  m.finish(mamba_cuda_conv1d(m.read(x, count, d), m.read_bytes(w, (int64_t)width * d * size_of(w_type)),
                             w_type, m.read(multiplier, d), m.read(bias, d), apply_silu,
                             m.write_bytes(state, past * size_of(x.type)), batch, tokens, d, width, placed,
                             output_count, 0));
}

void mamba_selective_scan(mamba_input u, mamba_input dt, bool apply_softplus, const float *a, mamba_input b,
                          mamba_input c, const float *d_skip, mamba_input z, float *state, int32_t batch,
                          int32_t tokens, int32_t d, int32_t n, mamba_output out, mamba_worker worker) {
  if (worker.index != 0)
    return;
  device_memory m;
  const int64_t rows = (int64_t)batch * tokens;
  m.finish(mamba_cuda_selective_scan(
      m.read(u, rows * d, d), m.read(dt, rows * d, d), apply_softplus, m.read(a, (int64_t)n * d),
      m.read(b, rows * n, n), m.read(c, rows * n, n), m.read(d_skip, d), m.read(z, rows * d, d),
      m.write(state, (int64_t)batch * n * d), batch, tokens, d, n, m.write(out, rows * d, d), 0));
}

void mamba_hadamard(const float *x, bool transpose, int32_t rows, int32_t d, float *, mamba_output out,
                    float *row_scale, mamba_worker worker) {
  if (worker.index != 0)
    return;
  device_memory m;
  const int64_t count = (int64_t)rows * d;
  m.finish(mamba_cuda_hadamard(m.read(x, count), transpose, rows, d, m.write(out, count, d),
                               m.write(row_scale, rows), 0));
}

void mamba_quantize(mamba_input x, int32_t rows, int32_t d, mamba_output out, float *row_scale,
                    mamba_worker worker) {
  if (worker.index != 0)
    return;
  device_memory m;
  const int64_t count = (int64_t)rows * d;
  m.finish(
      mamba_cuda_quantize(m.read(x, count, d), rows, d, m.write(out, count, d), m.write(row_scale, rows), 0));
}

/* Greedy sampling, for the test of shapes. */
void gpu_argmax(const float *logits, int32_t rows, int32_t n, int32_t *ids) {
  device_memory m;
  m.finish(mamba_cuda_argmax(m.read(logits, (int64_t)rows * n), rows, n, m.zeros<mamba_cuda_best>(rows), m.write(ids, rows), 0));
}

/* Sampling, likewise. */
void gpu_draw(const float *logits, int32_t rows, int32_t n, const mamba_draw *draws, int32_t *ids) {
  device_memory m;
  m.finish(mamba_cuda_draw(m.read(logits, (int64_t)rows * n), rows, n, m.read(draws, rows), m.write(ids, rows), 0));
}

const char *mamba_kernels_instruction_set(void) {
  return "cuda";
}

const char *mamba_kernels_check_contract(void) {
  int devices = 0;
  return cudaGetDeviceCount(&devices) == cudaSuccess && devices > 0 ? NULL : "no CUDA device was found";
}
}
