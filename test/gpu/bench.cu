/* Speed of the kernels on models of the published shapes with random weights made on the device: a decoded
 * token and a prefill, each one CUDA graph, and each kernel by itself over the weights of all layers, so that
 * no weight is found in a cache. Medians of graph replays. "Floor" is the bytes that must be read, over the
 * read bandwidth measured first. A token of each sequence takes the fused kernels of a layer; beside it are
 * the single kernels, and for one sequence the persistent kernel and the single kernels with weights in f16.
 * Where cublasLt is there, its time for the same int8 product of many rows.
 *
 * bench [decode|batch|batch=N|prefill...] [MODEL...]   decode: one token of one sequence; batch: of 32 or N,
 * 1 to 64; prefill: 512 and 1024 tokens; default decode, batch, prefill. MODEL: 130m, 370m, 1.4b, 2.8b;
 * default 130m and 2.8b. */
#include "check.h"
#include "cublas.h"
#include "cuda/mamba_cuda.h"

#include <cuda_fp16.h>

#include <algorithm>
#include <functional>
#include <string.h>
#include <string>
#include <vector>

namespace {

struct shape {
  const char *name;
  int32_t d, layers;
};

const shape shapes[] = {{"130m", 768, 24}, {"370m", 1024, 48}, {"1.4b", 2048, 48}, {"2.8b", 2560, 64}};
constexpr int32_t VOCABULARY = 50280, STATES = 16, WIDTH = 4;

/* Random integers in [-127, 127], or floats in (low, high) of either width. */
__global__ void fill(void *data, int64_t count, mamba_type type, float low, float high, uint32_t seed) {
  const int64_t step = (int64_t)gridDim.x * blockDim.x;
  for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += step) {
    uint32_t bits = (uint32_t)i * 2654435761u + seed;
    bits = (bits ^ bits >> 16) * 0x7feb352du;
    bits = (bits ^ bits >> 15) * 0x846ca68bu;
    bits ^= bits >> 16;
    const float value = low + (high - low) * ((float)(bits >> 8) * 0x1p-24f);
    if (type == MAMBA_F32)
      ((float *)data)[i] = value;
    else if (type == MAMBA_F16)
      ((__half *)data)[i] = __float2half(value);
    else
      ((int8_t *)data)[i] = (int8_t)((int32_t)(bits % 255) - 127);
  }
}

/* Reads everything once, as a matrix-vector product does. */
__global__ void read_all(const uint4 *data, int64_t count, uint32_t *sink) {
  uint32_t seen = 0;
  const int64_t step = (int64_t)gridDim.x * blockDim.x;
#pragma unroll 8
  for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += step) {
    const uint4 v = data[i];
    seen ^= v.x ^ v.y ^ v.z ^ v.w;
  }
  if (seen == 0x12345678u)
    *sink = seen;
}

class memory {
public:
  ~memory() {
    for (void *block : blocks)
      cudaFree(block);
  }
  void *bytes(int64_t count) {
    void *block = NULL;
    CHECK(cudaMalloc(&block, count));
    blocks.push_back(block);
    fill<<<1024, 256>>>(block, count, MAMBA_I8, 0, 0, (uint32_t)blocks.size());
    CHECK(cudaGetLastError());
    return block;
  }
  float *floats(int64_t count, float low, float high) {
    float *block = (float *)bytes(count * sizeof(float));
    fill<<<1024, 256>>>(block, count, MAMBA_F32, low, high, (uint32_t)blocks.size());
    CHECK(cudaGetLastError());
    return block;
  }
  const void *halves(int64_t count) {
    void *block = bytes(count * 2);
    fill<<<1024, 256>>>(block, count, MAMBA_F16, -0.01f, 0.01f, (uint32_t)blocks.size());
    CHECK(cudaGetLastError());
    return block;
  }

private:
  std::vector<void *> blocks;
};

/* The median time of one replay of what `record` puts into a stream, in seconds. */
double time_of(const std::function<void(cudaStream_t)> &record) {
  const int warm_up = 3, repeats = 15;
  cudaStream_t stream;
  cudaGraph_t graph;
  cudaGraphExec_t executable;
  cudaEvent_t begin, end;
  CHECK(cudaDeviceSynchronize());
  CHECK(cudaStreamCreate(&stream));
  CHECK(cudaEventCreate(&begin));
  CHECK(cudaEventCreate(&end));
  CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  record(stream);
  CHECK(cudaStreamEndCapture(stream, &graph));
  CHECK(cudaGraphInstantiateWithFlags(&executable, graph, 0));
  std::vector<double> times;
  for (int i = 0; i < warm_up + repeats; ++i) {
    float milliseconds = 0;
    CHECK(cudaEventRecord(begin, stream));
    CHECK(cudaGraphLaunch(executable, stream));
    CHECK(cudaEventRecord(end, stream));
    CHECK(cudaEventSynchronize(end));
    CHECK(cudaEventElapsedTime(&milliseconds, begin, end));
    if (i >= warm_up)
      times.push_back(milliseconds * 1e-3);
  }
  CHECK(cudaGraphExecDestroy(executable));
  CHECK(cudaGraphDestroy(graph));
  CHECK(cudaEventDestroy(begin));
  CHECK(cudaEventDestroy(end));
  CHECK(cudaStreamDestroy(stream));
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

double measure_bandwidth() {
  const int64_t bytes = INT64_C(4) << 30;
  memory m;
  const uint4 *data = (const uint4 *)m.bytes(bytes);
  uint32_t *sink = (uint32_t *)m.bytes(4);
  double best = 0;
  for (int blocks = 132 * 4; blocks <= 132 * 16; blocks *= 2)
    best = std::max(best, bytes / time_of([&](cudaStream_t s) {
                            read_all<<<blocks, 512, 0, s>>>(data, bytes / 16, sink);
                            CHECK(cudaGetLastError());
                          }));
  return best;
}

/* A weight matrix [n, k] with the scale of each row, and one of f16. */
struct matrix {
  const int8_t *w;
  const void *half;
  const float *multiplier;
  int32_t n, k;
  int64_t bytes() const { return (int64_t)n * k; }
};

struct layer {
  matrix in_proj, x_proj, dt_proj, out_proj;
  const float *gamma, *conv_w, *conv_bias, *dt_bias, *a, *skip;
  float *ssm;
  void *conv_state;
};

/* A model as the recipes of the design run it: i8 where a matrix reads, f16 elsewhere, a scale per token for
 * in, y and the head. */
class model {
public:
  model(const shape &s, int32_t batch_, int32_t tokens_)
      : d(s.d), inner(2 * s.d), rank((s.d + 15) / 16), batch(batch_), tokens(tokens_),
        rows(batch_ * tokens_) {
    for (int32_t i = 0; i < s.layers; ++i)
      layers.push_back(make_layer());
    table = m.halves((int64_t)VOCABULARY * d);
    head = make_matrix(VOCABULARY, d);
    final_gamma = m.floats(d, 0.5f, 1.5f);
    ids = (int32_t *)m.bytes(rows * sizeof(int32_t));
    CHECK(cudaMemset(ids, 0, rows * sizeof(int32_t)));
    next = (int32_t *)m.bytes(rows * sizeof(int32_t));
    best = (mamba_cuda_best *)m.bytes(rows * sizeof *best);
    CHECK(cudaMemset(best, 0, rows * sizeof *best));
    residual = m.floats((int64_t)rows * d, -1, 1);
    delta = m.floats((int64_t)rows * d, -1, 1);
    quantized = (int8_t *)m.bytes((int64_t)rows * inner);
    scale = m.floats(rows, 0.01f, 0.02f);
    x = m.bytes((int64_t)rows * inner * 2);
    z = m.bytes((int64_t)rows * inner * 2);
    u = m.bytes((int64_t)rows * inner * 2);
    CHECK(cudaMemset(x, 0, (int64_t)rows * inner * 2)); /* random bytes may be NaN as f16 */
    CHECK(cudaMemset(z, 0, (int64_t)rows * inner * 2));
    CHECK(cudaMemset(u, 0, (int64_t)rows * inner * 2));
    u8 = m.bytes((int64_t)rows * inner);
    dt8 = m.bytes((int64_t)rows * rank);
    b = m.floats((int64_t)rows * STATES, -1, 1);
    c = m.floats((int64_t)rows * STATES, -1, 1);
    dt = m.floats((int64_t)rows * inner, -4, 1);
    y = m.floats((int64_t)rows * inner, -1, 1);
    normed = m.floats((int64_t)rows * d, -1, 1);
    logits = m.floats((int64_t)batch * VOCABULARY, -1, 1);
    xz = m.floats(2 * inner, -1, 1);
    conv_u = m.floats(inner, -1, 1);
    projected = m.floats(rank + 2 * STATES, -1, 1);
    sums = zeros(rows * (rank + 2 * STATES));
    out_sums = zeros(rows * d);
    out_scale = m.floats(rows, 0.01f, 0.02f);
    for (const layer &l : layers)
      fused.push_back(fuse(l));
    const size_t table_bytes = fused.size() * sizeof fused[0];
    fused_there = (mamba_cuda_layer *)m.bytes(table_bytes);
    CHECK(cudaMemcpy(fused_there, fused.data(), table_bytes, cudaMemcpyHostToDevice));
    const size_t word_bytes = mambaCudaExchangeBytes(d, inner, rank);
    words = (uint64_t *)m.bytes(word_bytes);
    CHECK(cudaMemset(words, 0, word_bytes));
  }

  void norm(const layer &l, cudaStream_t s) const {
    CHECK(mamba_cuda_rms_norm(residual, delta, residual, l.gamma, 1e-5f, rows, d,
                              output(quantized, MAMBA_I8, d), scale, s));
  }
  void in_proj(const layer &l, cudaStream_t s) const {
    const mamba_output outputs[] = {output(x, MAMBA_F16, inner), output(z, MAMBA_F16, inner)};
    multiply(l.in_proj, quantized, scale, NULL, rows, outputs, 2, s);
  }
  void conv(const layer &l, cudaStream_t s) const {
    const mamba_output outputs[] = {output(u, MAMBA_F16, inner), output(u8, MAMBA_I8, inner)};
    CHECK(mamba_cuda_conv1d(input(x, MAMBA_F16), l.conv_w, MAMBA_F32, NULL, l.conv_bias, true, l.conv_state,
                            batch, tokens, inner, WIDTH, outputs, 2, s));
  }
  void x_proj(const layer &l, cudaStream_t s) const {
    const mamba_output outputs[] = {output(dt8, MAMBA_I8, rank), output(b, MAMBA_F32, STATES),
                                    output(c, MAMBA_F32, STATES)};
    multiply(l.x_proj, (const int8_t *)u8, NULL, NULL, rows, outputs, 3, s);
  }
  void dt_proj(const layer &l, cudaStream_t s) const {
    const mamba_output out = output(dt, MAMBA_F32, inner);
    multiply(l.dt_proj, (const int8_t *)dt8, NULL, l.dt_bias, rows, &out, 1, s);
  }
  void scan(const layer &l, cudaStream_t s) const {
    CHECK(mamba_cuda_selective_scan(input(u, MAMBA_F16), input(dt, MAMBA_F32), true, l.a, input(b, MAMBA_F32),
                                    input(c, MAMBA_F32), l.skip, input(z, MAMBA_F16), l.ssm, batch, tokens,
                                    inner, STATES, output(y, MAMBA_F32, inner), s));
  }
  void hadamard(const layer &, cudaStream_t s) const {
    CHECK(mamba_cuda_hadamard(y, false, rows, inner, output(quantized, MAMBA_I8, inner), scale, s));
  }
  void out_proj(const layer &l, cudaStream_t s) const {
    const mamba_output out = output(delta, MAMBA_F32, d);
    multiply(l.out_proj, quantized, scale, NULL, rows, &out, 1, s);
  }
  /* The last token's logits of each sequence: here the first `batch` rows, which costs the same. */
  void final_norm(cudaStream_t s) const {
    CHECK(mamba_cuda_rms_norm(residual, delta, residual, final_gamma, 1e-5f, batch, d,
                              output(quantized, MAMBA_I8, d), scale, s));
  }
  void int8_head(cudaStream_t s) const {
    const mamba_output out = output(logits, MAMBA_F32, VOCABULARY);
    multiply(head, quantized, scale, NULL, batch, &out, 1, s);
  }
  void half_head(cudaStream_t s) const {
    CHECK(mamba_cuda_linear_float(normed, table, MAMBA_F16, NULL, batch, d, VOCABULARY, logits, s));
  }
  void sample(cudaStream_t s) const { CHECK(mamba_cuda_argmax(logits, batch, VOCABULARY, best, next, s)); }
  void embed(cudaStream_t s) const {
    CHECK(mamba_cuda_embedding(ids, table, MAMBA_F16, rows, d, residual, s));
  }

  void layer_in(const mamba_cuda_layer &l, cudaStream_t s) const { CHECK(mamba_cuda_layer_in(&l, rows, s)); }
  void layer_scan(const mamba_cuda_layer &l, cudaStream_t s) const {
    CHECK(mamba_cuda_layer_scan(&l, rows, s));
  }
  void layer_out(const mamba_cuda_layer &l, cudaStream_t s) const {
    CHECK(mamba_cuda_layer_out(&l, rows, s));
  }

  bool can_fuse() const { return mamba_cuda_layer_problem(&fused[0], rows) == NULL; }

  void all_single(cudaStream_t s) const {
    embed(s);
    for (const layer &l : layers) {
      norm(l, s);
      in_proj(l, s);
      conv(l, s);
      x_proj(l, s);
      dt_proj(l, s);
      scan(l, s);
      hadamard(l, s);
      out_proj(l, s);
    }
    final_norm(s);
    int8_head(s);
    sample(s);
  }
  /* One token with weights in f16 and everything else in f32, as a model that is not quantized runs. */
  void all_half(cudaStream_t s) const {
    embed(s);
    for (const layer &l : layers) {
      CHECK(mamba_cuda_rms_norm(residual, delta, residual, l.gamma, 1e-5f, 1, d, output(normed, MAMBA_F32, d),
                                NULL, s));
      half_product(l.in_proj, normed, NULL, xz, s);
      const mamba_output conv_out = output(conv_u, MAMBA_F32, inner);
      CHECK(mamba_cuda_conv1d(input(xz, MAMBA_F32), l.conv_w, MAMBA_F32, NULL, l.conv_bias, true,
                              l.conv_state, 1, 1, inner, WIDTH, &conv_out, 1, s));
      half_product(l.x_proj, conv_u, NULL, projected, s);
      half_product(l.dt_proj, projected, l.dt_bias, dt, s);
      CHECK(mamba_cuda_selective_scan(
          input(conv_u, MAMBA_F32), input(dt, MAMBA_F32), true, l.a, input(projected + rank, MAMBA_F32),
          input(projected + rank + STATES, MAMBA_F32), l.skip, input(xz + inner, MAMBA_F32), l.ssm, 1, 1,
          inner, STATES, output(y, MAMBA_F32, inner), s));
      half_product(l.out_proj, y, NULL, delta, s);
    }
    CHECK(mamba_cuda_rms_norm(residual, delta, residual, final_gamma, 1e-5f, 1, d,
                              output(normed, MAMBA_F32, d), NULL, s));
    half_head(s);
    sample(s);
  }
  void all_fused(cudaStream_t s) const {
    embed(s);
    for (const mamba_cuda_layer &l : fused) {
      layer_in(l, s);
      layer_scan(l, s);
      layer_out(l, s);
    }
    CHECK(mamba_cuda_layer_end(&fused.back(), rows, s));
    final_norm(s);
    int8_head(s);
    sample(s);
  }
  void all_persistent(cudaStream_t s) const {
    embed(s);
    CHECK(mamba_cuda_decode(fused.data(), (int32_t)fused.size(), fused_there, words, s));
    final_norm(s);
    int8_head(s);
    sample(s);
  }
  /* NULL where one kernel can compute all layers. */
  const char *persistent_problem() const {
    const char *problem = NULL;
    CHECK(mamba_cuda_decode_problem(fused.data(), (int32_t)fused.size(), &problem));
    return problem;
  }

  double weight_bytes() const {
    const layer &l = layers[0];
    return (double)layers.size() *
               (l.in_proj.bytes() + l.x_proj.bytes() + l.dt_proj.bytes() + l.out_proj.bytes()) +
           head.bytes();
  }
  double products() const { return (weight_bytes() - head.bytes()) * rows + (double)head.bytes() * batch; }

  /* Time per layer of one step of the layer. */
  template <typename L>
  double per_layer(const std::vector<L> &all, void (model::*step)(const L &, cudaStream_t) const) const {
    return time_of([&](cudaStream_t s) {
             for (const L &l : all)
               (this->*step)(l, s);
           }) /
           all.size();
  }

  const int32_t d, inner, rank, batch, tokens, rows;
  std::vector<layer> layers;
  std::vector<mamba_cuda_layer> fused;
  matrix head;

private:
  memory m;
  const void *table;
  void *x, *z, *u, *u8, *dt8;
  const float *final_gamma;
  int32_t *ids, *next;
  mamba_cuda_best *best;
  float *residual, *delta, *scale, *b, *c, *dt, *y, *normed, *logits;
  float *xz, *conv_u, *projected; /* of the f16 model */
  int8_t *quantized;
  int32_t *sums, *out_sums;
  float *out_scale;
  mamba_cuda_layer *fused_there; /* the same in the device's memory */
  uint64_t *words;

  int32_t *zeros(int64_t count) {
    int32_t *block = (int32_t *)m.bytes(count * sizeof(int32_t));
    CHECK(cudaMemset(block, 0, count * sizeof(int32_t)));
    return block;
  }
  static void half_product(const matrix &w, const float *in, const float *bias, float *out, cudaStream_t s) {
    CHECK(mamba_cuda_linear_float(in, w.half, MAMBA_F16, bias, 1, w.k, w.n, out, s));
  }
  mamba_cuda_layer fuse(const layer &of) const { /* call it layer after layer */
    const auto tensor = [](void *data, mamba_type type) {
      return mamba_cuda_tensor{data, type, 0.03f, 30.0f, NULL, NULL};
    };
    const auto weights = [](const matrix &from, const float *bias) {
      return mamba_cuda_matrix{from.w, from.multiplier, bias};
    };
    mamba_cuda_layer l = {};
    l.d = d;
    l.inner = inner;
    l.rank = rank;
    l.residual = residual;
    l.gamma = of.gamma;
    l.epsilon = 1e-5f;
    l.dt = tensor(NULL, MAMBA_I8);
    l.in = l.rotated = tensor(quantized, MAMBA_I8); /* stored for several rows */
    l.u_i8 = tensor(u8, MAMBA_I8);
    l.in_scale = scale;
    l.out_scale = out_scale;
    l.out_sums = out_sums;
    if (!fused.empty()) {
      l.before = fused.back().out_proj;
      l.before_per_row = true;
    }
    l.in_per_row = l.rotated_per_row = l.rotate = l.softplus = l.conv_silu = true;
    l.in_proj = weights(of.in_proj, NULL);
    l.x = tensor(NULL, MAMBA_F16);
    l.z = tensor(z, MAMBA_F16);
    l.u = tensor(u, MAMBA_F16);
    l.b = l.c = tensor(NULL, MAMBA_F32);
    l.y = tensor(y, MAMBA_F32);
    l.conv_w = of.conv_w;
    l.conv_w_type = MAMBA_F32;
    l.conv_bias = of.conv_bias;
    l.conv_state = of.conv_state;
    l.x_proj = weights(of.x_proj, NULL);
    l.sums = sums;
    l.dt_proj = weights(of.dt_proj, of.dt_bias);
    l.a = of.a;
    l.d_skip = of.skip;
    l.ssm_state = of.ssm;
    l.out_proj = weights(of.out_proj, NULL);
    return l;
  }
  matrix make_matrix(int32_t n, int32_t k, float multiplier = 1e-4f) {
    return {(const int8_t *)m.bytes((int64_t)n * k), rows == 1 ? m.halves((int64_t)n * k) : NULL,
            m.floats(n, multiplier, 2 * multiplier), n, k};
  }
  layer make_layer() {
    layer l;
    l.in_proj = make_matrix(2 * inner, d);
    l.x_proj = make_matrix(rank + 2 * STATES, inner);
    l.dt_proj = make_matrix(inner, rank, 1e-5f); /* so that delta is about as large as in trained models */
    l.out_proj = make_matrix(d, inner);
    l.gamma = m.floats(d, 0.5f, 1.5f);
    l.conv_w = m.floats(WIDTH * inner, -0.5f, 0.5f);
    l.conv_bias = m.floats(inner, -0.1f, 0.1f);
    l.dt_bias = m.floats(inner, -5, -1);
    l.a = m.floats(STATES * inner, -16, -1);
    l.skip = m.floats(inner, 0.5f, 1.5f);
    l.ssm = m.floats((int64_t)batch * STATES * inner, 0, 0);
    l.conv_state = m.floats((int64_t)batch * (WIDTH - 1) * inner, 0, 0); /* as f16 or f32 */
    return l;
  }
  static mamba_input input(const void *data, mamba_type type) { return {data, type, 1.0f, NULL}; }
  static mamba_output output(void *data, mamba_type type, int32_t channels) {
    return {data, type, channels, 30.0f, NULL};
  }
  static void multiply(const matrix &w, const int8_t *in, const float *row_scale, const float *bias,
                       int32_t rows, const mamba_output *outputs, int32_t count, cudaStream_t s) {
    CHECK(mamba_cuda_linear_i8(in, row_scale, w.w, w.multiplier, bias, rows, w.k, w.n, outputs, count, s));
  }
};

void report(const shape &s, int32_t batch, int32_t tokens, double bandwidth) {
  const model m(s, batch, tokens);
  CHECK(cudaDeviceSynchronize());
  const double single = time_of([&](cudaStream_t stream) { m.all_single(stream); });
  const double total = m.can_fuse() ? time_of([&](cudaStream_t stream) { m.all_fused(stream); }) : single;
  printf("\n%s, batch %d, %d token%s: %.3f ms", s.name, batch, tokens, tokens > 1 ? "s" : "", total * 1e3);
  if (tokens == 1)
    printf(" a step; floor %.3f ms, %.0f%% of read bandwidth", m.weight_bytes() / bandwidth * 1e3,
           m.weight_bytes() / total / bandwidth * 100);
  else
    printf("; %.0f TOP/s", 2 * m.products() / total * 1e-12);
  if (m.can_fuse())
    printf("; single kernels %.3f ms", single * 1e3);
  if (m.rows == 1) {
    const double half = time_of([&](cudaStream_t stream) { m.all_half(stream); });
    printf("; f16 %.3f ms, %.2fx", half * 1e3, half / total);
    if (const char *problem = m.persistent_problem())
      printf("; no persistent kernel: %s", problem);
    else
      printf("; persistent %.3f ms", 1e3 * time_of([&](cudaStream_t stream) { m.all_persistent(stream); }));
  }
  printf("\n");
  const layer &first = m.layers[0];
  const auto print = [&](const char *name, double seconds, double bytes) {
    printf("  %-14s %8.2f us", name, seconds * 1e6);
    if (bytes > 0)
      printf("  %7.1f GB/s  %3.0f%%  %6.1f TOP/s", bytes / seconds * 1e-9, bytes / seconds / bandwidth * 100,
             2.0 * bytes * m.rows / seconds * 1e-12);
  };
  const auto line = [&](const char *name, const matrix *weights,
                        void (model::*run)(const layer &, cudaStream_t) const) {
    const double seconds = m.per_layer(m.layers, run);
    print(name, seconds, weights ? weights->bytes() : 0);
    if (weights && m.rows > MAMBA_CUDA_LAYER_ROWS) {
      const double theirs = cublas_seconds(m.rows, weights->n, weights->k);
      if (theirs > 0)
        printf("  cublas %.2f us, %.2fx", theirs * 1e6, theirs / seconds);
    }
    printf("\n");
  };
  const auto fused = [&](const char *name, double bytes,
                         void (model::*run)(const mamba_cuda_layer &, cudaStream_t) const) {
    print(name, m.per_layer(m.fused, run), bytes);
    printf("\n");
  };
  if (m.can_fuse()) {
    fused("layer_in", first.in_proj.bytes(), &model::layer_in);
    fused("layer_scan", 0, &model::layer_scan);
    fused("layer_out", first.out_proj.bytes(), &model::layer_out);
  }
  line("rms_norm", NULL, &model::norm);
  line("in_proj", &first.in_proj, &model::in_proj);
  line("conv1d", NULL, &model::conv);
  line("x_proj", &first.x_proj, &model::x_proj);
  line("dt_proj", &first.dt_proj, &model::dt_proj);
  line("selective_scan", NULL, &model::scan);
  line("hadamard", NULL, &model::hadamard);
  line("out_proj", &first.out_proj, &model::out_proj);
  if (tokens > 1)
    return;
  const double i8 = time_of([&](cudaStream_t stream) { m.int8_head(stream); });
  const double f16 = time_of([&](cudaStream_t stream) { m.half_head(stream); });
  const double sample = time_of([&](cudaStream_t stream) { m.sample(stream); });
  print("head, i8", i8, m.head.bytes());
  print("\n  head, f16", f16, 2 * m.head.bytes());
  print("\n  argmax", sample, 0);
  printf("\n");
}

} // namespace

int main(int argc, char **argv) {
  cudaDeviceProp properties;
  CHECK(cudaGetDeviceProperties(&properties, 0));
  const double bandwidth = measure_bandwidth();
  printf("%s, %d multiprocessors, read %.0f GB/s\n", properties.name, properties.multiProcessorCount,
         bandwidth * 1e-9);
  std::vector<std::string> wanted(argv + 1, argv + argc);
  const auto take = [&](const char *word) {
    const auto found = std::find(wanted.begin(), wanted.end(), word);
    const bool taken = found != wanted.end();
    if (taken)
      wanted.erase(found);
    return taken;
  };
  const bool all = [&] {
    const char *const steps[] = {"decode", "batch", "prefill"};
    return std::none_of(wanted.begin(), wanted.end(), [&](const std::string &word) {
      return std::any_of(std::begin(steps), std::end(steps),
                         [&](const char *step) { return word.rfind(step, 0) == 0; });
    });
  }();
  const bool decode = take("decode") || all, prefill = take("prefill") || all;
  std::vector<int32_t> batches; /* sequences */
  if (take("batch") || all)
    batches.push_back(32);
  for (int32_t n = 1; n <= MAMBA_CUDA_LAYER_ROWS; ++n)
    if (take(("batch=" + std::to_string(n)).c_str()))
      batches.push_back(n);
  if (wanted.empty())
    wanted = {"130m", "2.8b"};
  for (const std::string &name : wanted) {
    const shape *found =
        std::find_if(std::begin(shapes), std::end(shapes), [&](const shape &s) { return name == s.name; });
    if (found == std::end(shapes)) {
      fprintf(stderr, "bench: neither a step nor a model: \"%s\"; see bench.cu\n", name.c_str());
      return 2;
    }
    if (decode)
      report(*found, 1, 1, bandwidth);
    for (const int32_t sequences : batches)
      report(*found, sequences, 1, bandwidth);
    if (prefill) {
      report(*found, 1, 512, bandwidth);
      report(*found, 1, 1024, bandwidth);
    }
  }
  return 0;
}
