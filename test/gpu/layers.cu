/* The three kernels of a layer (mamba_cuda_layer_*) against the portable kernels, one after the other, byte
 * for byte: the tensors of each recipe, widths of the published models, several tokens.
 *
 * layers [small]   small: the least widths only, for compute-sanitizer. */
#include "check.h"
#include "cuda/mamba_cuda.h"

extern "C" {
#include "data.h"
}
#include "dispatch.h"
#include "hadamard_matrices.h"

#include <string.h>

#include <memory>
#include <vector>

namespace {

constexpr int32_t STATES = MAMBA_CUDA_LAYER_STATES, WIDTH = MAMBA_CUDA_LAYER_WIDTH;
constexpr mamba_worker alone = {0, 1};

/* What a recipe stores. */
struct recipe {
  const char *name;
  mamba_type x, u, bc; /* x and z; u; B and C */
  bool in_per_row, rotate, transpose, rotated_per_row;
  bool channel_scales; /* of u_i8 */
  bool bias;           /* everywhere where one may be */
};

const recipe recipes[] = {
    {"static", MAMBA_I8, MAMBA_I8, MAMBA_I8, false, false, false, false, false, false},
    {"quamba", MAMBA_I8, MAMBA_I8, MAMBA_I8, false, true, false, false, false, false},
    {"per-token", MAMBA_F16, MAMBA_F16, MAMBA_F32, true, true, false, true, true, false},
    {"f32", MAMBA_F32, MAMBA_F32, MAMBA_F16, true, true, true, false, true, true},
};

/* Frees what it made. */
class host_memory {
public:
  ~host_memory() {
    for (void *block : blocks)
      free(block);
  }
  template <typename T> T *keep(T *block) {
    blocks.push_back((void *)block);
    return block;
  }

private:
  std::vector<void *> blocks;
};

/* rows: 0 where it is not stored. */
mamba_cuda_tensor random_tensor(host_memory &m, mamba_type type, int32_t channels, int32_t rows,
                                bool per_channel) {
  mamba_cuda_tensor t = {};
  t.type = type;
  t.scale = 1.0f / 32;
  t.inv_scale = 24.0f; /* not the inverse, so that a kernel that takes the wrong one is found */
  if (rows)
    t.data = m.keep(unset_values(type, (int64_t)rows * channels));
  if (per_channel && type == MAMBA_I8) {
    float *inverse = m.keep(random_scales(channels));
    for (int32_t c = 0; c < channels; ++c)
      inverse[c] = 1.0f / inverse[c];
    t.inv_scales = inverse;
    t.scales = m.keep(random_scales(channels));
  }
  return t;
}

mamba_cuda_matrix random_matrix(host_memory &m, int32_t n, int32_t k, bool bias) {
  float *multiplier = m.keep(random_scales(n));
  for (int32_t i = 0; i < n; ++i)
    multiplier[i] *= 1.0f / 1024;
  return {m.keep((int8_t *)random_values(MAMBA_I8, (int64_t)n * k, DATA_PLAIN)), multiplier,
          bias ? m.keep(random_floats(n, DATA_PLAIN)) : NULL};
}

mamba_cuda_layer random_layer(host_memory &m, const recipe &r, int32_t d, int32_t rows, data_kind kind) {
  const int32_t several = rows > 1 ? rows : 0; /* what is stored for several rows only */
  const int32_t inner = 2 * d, rank = (d + 255) / 256 * 16, projections = rank + 2 * STATES;
  mamba_cuda_layer l = {};
  l.d = d;
  l.inner = inner;
  l.rank = rank;
  l.residual = m.keep(random_floats(rows * d, kind));
  l.gamma = r.bias ? NULL : m.keep(random_floats(d, DATA_PLAIN));
  l.epsilon = 1e-5f;
  l.in = random_tensor(m, MAMBA_I8, d, several, false);
  l.in_per_row = r.in_per_row;
  l.in_scale = several ? (float *)m.keep(unset_values(MAMBA_F32, rows)) : NULL;
  l.in_proj = random_matrix(m, 2 * inner, d, r.bias);
  l.x = random_tensor(m, r.x, inner, 0, false);
  l.z = random_tensor(m, r.x, inner, rows, r.channel_scales);
  l.conv_w_type = r.x == MAMBA_I8 ? MAMBA_I8 : MAMBA_F32;
  l.conv_w = m.keep(random_values(l.conv_w_type, WIDTH * inner, DATA_PLAIN));
  l.conv_multiplier = l.conv_w_type == MAMBA_I8 ? m.keep(random_scales(inner)) : NULL;
  l.conv_bias = m.keep(random_floats(inner, DATA_PLAIN));
  l.conv_silu = true;
  l.conv_state = m.keep(random_values(r.x, rows * (WIDTH - 1) * inner, kind));
  l.u = random_tensor(m, r.u, inner, rows, false);
  l.u_i8 = r.u == MAMBA_I8 ? l.u : random_tensor(m, MAMBA_I8, inner, several, r.channel_scales);
  l.x_proj = random_matrix(m, projections, inner, r.bias);
  l.sums = (int32_t *)m.keep(calloc(rows * projections, sizeof(int32_t)));
  l.dt = random_tensor(m, MAMBA_I8, rank, 0, r.channel_scales);
  l.b = random_tensor(m, r.bc, STATES, 0, false);
  l.c = random_tensor(m, r.bc, STATES, 0, false);
  l.dt_proj = random_matrix(m, inner, rank, true);
  l.softplus = true;
  float *a = m.keep(random_floats(STATES * inner, DATA_PLAIN));
  for (int32_t i = 0; i < STATES * inner; ++i)
    a[i] = a[i] > 0 ? -a[i] : a[i];
  l.a = a;
  l.d_skip = m.keep(random_floats(inner, DATA_PLAIN));
  l.ssm_state = m.keep(random_floats(rows * STATES * inner, kind));
  l.y = random_tensor(m, r.rotate ? MAMBA_F32 : MAMBA_I8, inner, rows, false);
  l.rotate = r.rotate;
  l.transpose = r.transpose;
  l.rotated = random_tensor(m, MAMBA_I8, inner, several, false);
  l.rotated_per_row = r.rotated_per_row;
  l.out_proj = random_matrix(m, d, inner, r.bias);
  l.out_sums = several ? (int32_t *)m.keep(calloc(rows * d, sizeof(int32_t))) : NULL;
  l.out_scale = several ? (float *)m.keep(unset_values(MAMBA_F32, rows)) : NULL;
  return l;
}

mamba_input input_of(const mamba_cuda_tensor &t, const void *data) {
  return {data, t.type, t.scale, t.scales};
}

mamba_output output_of(const mamba_cuda_tensor &t, void *data, int32_t channels) {
  return {data, t.type, channels, t.inv_scale, t.inv_scales};
}

/* The layer by the portable kernels, in place on the host's buffers of `l`. */
void run_portable(const mamba_cuda_layer &l, int32_t rows) {
  const mamba_kernel_table &k = mamba_kernels_portable;
  host_memory m;
  const auto buffer = [&](mamba_type type, int32_t channels) {
    return m.keep(unset_values(type, (int64_t)rows * channels));
  };
  const int32_t projections = l.rank + 2 * STATES;
  int8_t *in = (int8_t *)buffer(MAMBA_I8, l.d);
  float *const in_scale = (float *)buffer(MAMBA_F32, 1), *const y_scale = (float *)buffer(MAMBA_F32, 1);
  k.rms_norm(l.residual, NULL, NULL, l.gamma, l.epsilon, rows, l.d, output_of(l.in, in, l.d),
             l.in_per_row ? in_scale : NULL, alone);
  void *x = buffer(l.x.type, l.inner);
  const mamba_output xz[] = {output_of(l.x, x, l.inner), output_of(l.z, l.z.data, l.inner)};
  k.linear_i8(in, l.in_per_row ? in_scale : NULL, l.in_proj.w, l.in_proj.multiplier, l.in_proj.bias, rows,
              l.d, 2 * l.inner, xz, 2, alone);
  int8_t *u_i8 = (int8_t *)buffer(MAMBA_I8, l.inner);
  const mamba_output us[] = {output_of(l.u, l.u.data, l.inner), output_of(l.u_i8, u_i8, l.inner)};
  k.conv1d(input_of(l.x, x), l.conv_w, l.conv_w_type, l.conv_multiplier, l.conv_bias, l.conv_silu,
           l.conv_state, rows, 1, l.inner, WIDTH, us, 2, alone);
  int8_t *dt = (int8_t *)buffer(MAMBA_I8, l.rank);
  void *b = buffer(l.b.type, STATES), *c = buffer(l.c.type, STATES);
  const mamba_output parts[] = {output_of(l.dt, dt, l.rank), output_of(l.b, b, STATES),
                                output_of(l.c, c, STATES)};
  k.linear_i8(u_i8, NULL, l.x_proj.w, l.x_proj.multiplier, l.x_proj.bias, rows, l.inner, projections, parts,
              3, alone);
  float *raw = (float *)buffer(MAMBA_F32, l.inner);
  const mamba_output raw_out = {raw, MAMBA_F32, l.inner, 0, NULL};
  k.linear_i8(dt, NULL, l.dt_proj.w, l.dt_proj.multiplier, l.dt_proj.bias, rows, l.rank, l.inner, &raw_out, 1,
              alone);
  k.selective_scan(input_of(l.u, l.u.data), {raw, MAMBA_F32, 0, NULL}, l.softplus, l.a, input_of(l.b, b),
                   input_of(l.c, c), l.d_skip, input_of(l.z, l.z.data), l.ssm_state, rows, 1, l.inner, STATES,
                   output_of(l.y, l.y.data, l.inner), alone);
  const int8_t *y = (const int8_t *)l.y.data;
  if (l.rotate) {
    int8_t *rotated = (int8_t *)buffer(MAMBA_I8, l.inner);
    float *scratch = (float *)buffer(MAMBA_F32, l.inner);
    k.hadamard((const float *)l.y.data, l.transpose, rows, l.inner, scratch,
               output_of(l.rotated, rotated, l.inner), l.rotated_per_row ? y_scale : NULL, alone);
    y = rotated;
  }
  float *delta = (float *)buffer(MAMBA_F32, l.d);
  const mamba_output delta_out = {delta, MAMBA_F32, l.d, 0, NULL};
  k.linear_i8(y, l.rotate && l.rotated_per_row ? y_scale : NULL, l.out_proj.w, l.out_proj.multiplier,
              l.out_proj.bias, rows, l.inner, l.d, &delta_out, 1, alone);
  /* The addition is a step of the norm that follows. */
  mamba_output ignored = {buffer(MAMBA_F32, l.d), MAMBA_F32, l.d, 0, NULL};
  k.rms_norm(l.residual, delta, l.residual, NULL, 0, rows, l.d, ignored, NULL, alone);
}

/* Buffers on the device: allocations of the exact sizes, so that compute-sanitizer sees one byte too far. */
class device_buffers {
public:
  ~device_buffers() {
    for (void *block : blocks)
      cudaFree(block);
  }
  /* The device's values of a buffer, as a host allocation that m keeps. */
  void *read(host_memory &m, const void *device, mamba_type type, int64_t count) const {
    void *host = m.keep(unset_values(type, count));
    CHECK(cudaMemcpy(host, device, count * type_size(type), cudaMemcpyDeviceToHost));
    return host;
  }

protected:
  void *place(const void *host, size_t bytes) {
    void *block = NULL;
    if (!host)
      return NULL;
    CHECK(cudaMalloc(&block, bytes));
    CHECK(cudaMemcpy(block, host, bytes, cudaMemcpyHostToDevice));
    blocks.push_back(block);
    return block;
  }
  template <typename T> void copy(T *&values, int64_t count) {
    values = (T *)place((const void *)values, count * sizeof(T));
  }
  void copy(mamba_cuda_matrix &matrix, int32_t n, int32_t k) {
    copy(matrix.w, (int64_t)n * k);
    copy(matrix.multiplier, n);
    copy(matrix.bias, n);
  }
  void copy(mamba_cuda_tensor &t, int32_t channels, int32_t rows) {
    t.data = place(t.data, (size_t)rows * channels * type_size(t.type));
    copy(t.scales, channels);
    copy(t.inv_scales, channels);
  }

private:
  std::vector<void *> blocks;
};

class device_layer : public device_buffers {
public:
  device_layer(const mamba_cuda_layer &host, int32_t rows) : l(host) {
    const int32_t d = l.d, inner = l.inner, rank = l.rank, projections = rank + 2 * STATES;
    copy(l.residual, rows * d);
    copy(l.gamma, d);
    copy(l.in_proj, 2 * inner, d);
    copy(l.x_proj, projections, inner);
    copy(l.dt_proj, inner, rank);
    copy(l.out_proj, d, inner);
    for (mamba_cuda_tensor *t : {&l.z, &l.u, &l.y, &l.u_i8, &l.rotated})
      copy(*t, inner, rows);
    if (host.u_i8.data == host.u.data)
      l.u_i8 = l.u;
    copy(l.in, d, rows);
    copy(l.dt, rank, rows);
    copy(l.in_scale, rows);
    copy(l.out_scale, rows);
    copy(l.out_sums, rows * d);
    l.conv_w = place(l.conv_w, WIDTH * inner * type_size(l.conv_w_type));
    copy(l.conv_multiplier, inner);
    copy(l.conv_bias, inner);
    l.conv_state = place(l.conv_state, rows * (WIDTH - 1) * inner * type_size(l.x.type));
    copy(l.sums, rows * projections);
    copy(l.a, STATES * inner);
    copy(l.d_skip, inner);
    copy(l.ssm_state, rows * STATES * inner);
  }
  mamba_cuda_layer l;
};

/* Rows of int8 in blocks of 64 columns, each with all rows. */
void *in_blocks(host_memory &m, const int8_t *values, int32_t rows, int32_t columns) {
  const int32_t width = 64;
  int8_t *to = m.keep((int8_t *)unset_values(MAMBA_I8, (int64_t)rows * columns));
  int64_t at = 0;
  for (int32_t first = 0; first < columns; first += width)
    for (int32_t row = 0; row < rows; ++row)
      for (int32_t c = first; c < first + width; ++c)
        to[at++] = values[(int64_t)row * columns + c];
  return to;
}

/* Two layers, which happen to have the same weights and states, one token after the other. */
void test_layer(const recipe &r, int32_t d, int32_t rows, data_kind kind) {
  const int tokens = 2;
  host_memory m;
  const mamba_cuda_layer l = random_layer(m, r, d, rows, kind);
  device_layer device(l, rows);
  mamba_cuda_layer second = device.l;
  second.before = device.l.out_proj;
  second.before_per_row = l.rotate && l.rotated_per_row;
  for (int t = 0; t < tokens; ++t) {
    begin_case("layer %s d %d rows %d data %d token %d", r.name, d, rows, kind, t);
    for (const mamba_cuda_layer *each : {&device.l, &second}) {
      run_portable(l, rows);
      CHECK(mamba_cuda_layer_in(each, rows, 0));
      CHECK(mamba_cuda_layer_scan(each, rows, 0));
      CHECK(mamba_cuda_layer_out(each, rows, 0));
      CHECK(cudaDeviceSynchronize()); /* they share states, as no two layers of a token do (mamba_cuda.h) */
    }
    CHECK(mamba_cuda_layer_end(&second, rows, 0));
    CHECK(cudaDeviceSynchronize());
    const auto compare = [&](const char *what, mamba_type type, int64_t count, const void *on_device,
                             const void *expected) {
      expect_equal(what, type, rows * count, device.read(m, on_device, type, rows * count), expected);
    };
    compare("conv_state", l.x.type, (WIDTH - 1) * l.inner, device.l.conv_state, l.conv_state);
    const bool blocked = rows > 1 && l.u.data == l.u_i8.data; /* x_proj's input: row_product.cuh */
    compare("u", l.u.type, l.inner, device.l.u.data,
            blocked ? in_blocks(m, (const int8_t *)l.u.data, rows, l.inner) : l.u.data);
    compare("z", l.z.type, l.inner, device.l.z.data, l.z.data);
    compare("ssm_state", MAMBA_F32, STATES * l.inner, device.l.ssm_state, l.ssm_state);
    compare("residual", MAMBA_F32, l.d, device.l.residual, l.residual);
    compare("sums", MAMBA_F32, l.rank + 2 * STATES, device.l.sums, l.sums);
    if (rows > 1)
      compare("out_sums", MAMBA_F32, l.d, device.l.out_sums, l.out_sums);
  }
}

/* Several layers, which share a residual and sums, by the persistent kernel. */
void test_decode(const recipe &r, int32_t d) {
  constexpr int COUNT = 3;
  const int tokens = 3;
  host_memory m;
  std::vector<mamba_cuda_layer> layers, on_device;
  std::vector<std::unique_ptr<device_layer>> devices;
  for (int i = 0; i < COUNT; ++i) {
    layers.push_back(random_layer(m, r, d, 1, DATA_PLAIN));
    devices.emplace_back(new device_layer(layers[i], 1));
    on_device.push_back(devices[i]->l);
    layers[i].residual = layers[0].residual;
    layers[i].sums = layers[0].sums;
    on_device[i].residual = on_device[0].residual;
    on_device[i].sums = on_device[0].sums;
  }
  const char *problem = NULL;
  CHECK(mamba_cuda_decode_problem(on_device.data(), COUNT, &problem));
  const bool is_refused =
      r.x == MAMBA_F32 || (r.rotate && !mambaCudaPersists(mambaHadamardOrder(2 * d), r.transpose));
  if (is_refused) {
    begin_case("persistent %s d %d is refused", r.name, d);
    const bool refused =
        problem && mamba_cuda_decode(on_device.data(), COUNT, NULL, NULL, 0) == cudaErrorNotSupported;
    const int32_t actual = refused, expected = 1;
    expect_equal("refused", MAMBA_F32, 1, &actual, &expected);
    return;
  }
  if (problem)
    printf("persistent %s d %d: %s\n", r.name, d, problem);
  mamba_cuda_layer *table;
  uint64_t *words;
  CHECK(cudaMalloc((void **)&table, COUNT * sizeof *table));
  const size_t word_bytes = mambaCudaExchangeBytes(layers[0].d, layers[0].inner, layers[0].rank);
  CHECK(cudaMalloc((void **)&words, word_bytes));
  CHECK(cudaMemcpy(table, on_device.data(), COUNT * sizeof *table, cudaMemcpyHostToDevice));
  CHECK(cudaMemset(words, 0, word_bytes));
  for (int t = 0; t < tokens; ++t) {
    begin_case("persistent %s d %d token %d", r.name, d, t);
    for (const mamba_cuda_layer &l : layers)
      run_portable(l, 1);
    CHECK(mamba_cuda_decode(on_device.data(), COUNT, table, words, 0));
    CHECK(cudaDeviceSynchronize());
    for (int i = 0; i < COUNT; ++i) {
      const mamba_cuda_layer &l = layers[i];
      const auto compare = [&](const char *what, mamba_type type, int64_t count, const void *there,
                               const void *expected) {
        expect_equal(what, type, count, devices[i]->read(m, there, type, count), expected);
      };
      compare("conv_state", l.x.type, (WIDTH - 1) * l.inner, on_device[i].conv_state, l.conv_state);
      compare("ssm_state", MAMBA_F32, STATES * l.inner, on_device[i].ssm_state, l.ssm_state);
      compare("residual", MAMBA_F32, l.d, on_device[i].residual, l.residual);
      compare("sums", MAMBA_F32, l.rank + 2 * STATES, on_device[i].sums, l.sums);
    }
  }
  CHECK(cudaFree(table));
  CHECK(cudaFree(words));
}

/* What the kernels do not take they refuse. */
void test_problems() {
  begin_case("layers that are refused");
  host_memory m;
  const mamba_cuda_layer good = random_layer(m, recipes[1], 128, 2, DATA_PLAIN);
  const int32_t rows_taken = MAMBA_CUDA_LAYER_ROWS;
  int32_t refused = mamba_cuda_layer_problem(&good, rows_taken) == NULL;
  refused += mamba_cuda_layer_problem(&good, 0) != NULL;
  refused += mamba_cuda_layer_problem(&good, rows_taken + 1) != NULL;
  mamba_cuda_layer bad = good;
  bad.d = 192;
  refused += mamba_cuda_layer_problem(&bad, 1) != NULL;
  bad = good;
  bad.rank = 24;
  refused += mamba_cuda_layer_problem(&bad, 1) != NULL;
  bad = good;
  bad.y.type = MAMBA_I8;
  refused += mamba_cuda_layer_problem(&bad, 1) != NULL;
  bad = good;
  bad.dt.type = MAMBA_F16;
  refused += mamba_cuda_layer_problem(&bad, 1) != NULL;
  bad = good;
  bad.inner = 128 * 11; /* no Hadamard matrix */
  refused += mamba_cuda_layer_in(&bad, 1, 0) == cudaErrorNotSupported;
  refused += mamba_cuda_layer_scan(&bad, 1, 0) == cudaErrorNotSupported;
  refused += mamba_cuda_layer_out(&bad, 1, 0) == cudaErrorNotSupported;
  refused += mamba_cuda_layer_end(&bad, 2, 0) == cudaErrorNotSupported;
  bad = good;
  bad.u_i8.data = NULL; /* needed for several rows only */
  refused += mamba_cuda_layer_problem(&bad, 1) == NULL && mamba_cuda_layer_problem(&bad, 2) != NULL;
  bad = good;
  bad.out_sums = NULL;
  refused += mamba_cuda_layer_problem(&bad, 1) == NULL && mamba_cuda_layer_problem(&bad, 2) != NULL;
  bad = good;
  bad.out_scale = NULL;
  bad.rotated_per_row = true;
  refused += mamba_cuda_layer_problem(&bad, 1) == NULL && mamba_cuda_layer_problem(&bad, 2) != NULL;
  const auto refuses_all = [&](std::vector<mamba_cuda_layer> layers) {
    const char *problem = NULL;
    CHECK(mamba_cuda_decode_problem(layers.data(), (int32_t)layers.size(), &problem));
    return problem &&
           mamba_cuda_decode(layers.data(), (int32_t)layers.size(), NULL, NULL, 0) == cudaErrorNotSupported;
  };
  refused += refuses_all({});
  bad = good;
  bad.rank = 24;
  refused += refuses_all({good, bad});
  bad = good;
  bad.transpose = !good.transpose;
  refused += refuses_all({good, bad});
  refused += !refuses_all({good, good});
  setenv("MAMBA_CUDA_PERSISTENT", "0", 1);
  refused += refuses_all({good, good});
  unsetenv("MAMBA_CUDA_PERSISTENT");
  const int32_t expected = 19;
  expect_equal("checks", MAMBA_F32, 1, &refused, &expected);
}

} // namespace

int main(int argc, char **argv) {
  const bool small = argc > 1 && strcmp(argv[1], "small") == 0;
  test_problems();
  for (const recipe &r : recipes)
    for (int32_t d : {128, 256, 768, 896, 1024, 1536, 2048, 2560})
      if (!small || d == 128 || d == 768)
        test_layer(r, d, 1, d == 768 && !small ? DATA_EXTREME : DATA_PLAIN);
  for (const recipe &r : recipes)
    for (int32_t d : {128, 384, 768, 896, 1024, 2048, 2560})
      for (int32_t rows : {2, 3, 17, 32, 33, (int32_t)MAMBA_CUDA_LAYER_ROWS}) {
        const bool is_small = d == 128 || (d == 384 && rows % 16 == 1);
        if (is_small || (!small && (d <= 768 || rows == 3 || rows == 32)))
          test_layer(r, d, rows, d == 768 ? DATA_EXTREME : DATA_PLAIN);
      }
  for (const recipe &r : recipes)
    for (int32_t d : {128, 256, 768, 896, 1024, 1536, 2048, 2560})
      if (!small || d == 128 || (d == 768 && &r == recipes)) /* 132 blocks at once are slow to emulate */
        test_decode(r, d);
  return finish();
}
