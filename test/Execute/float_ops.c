/* Every op of levels 1 and 2 on small inputs, in f32 and in f64, against plain loops in f64. */
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Two sequences of three tokens; the values of @forward's first op are rows of `table`. */
enum { BATCH = 2, TOKENS = 3, ROWS = BATCH * TOKENS, IDS = 7, CHANNELS = 4 };

static const int32_t kIds[ROWS] = {3, 0, 6, 1, 1, 5};

typedef struct Case {
  Fixture fixture;
  float table[IDS * CHANNELS];
  double x[ROWS][CHANNELS]; /* the embedded ids */
  Weight weights[8];
  size_t weight_count;
} Case;

static void addWeight(Case *c, const char *name, int rank, const int64_t *shape, const float *data) {
  Weight *weight = &c->weights[c->weight_count++];
  *weight = (Weight){.name = name, .dtype = MAMBA_DTYPE_F32, .rank = rank, .data = data};
  memcpy(weight->shape, shape, (size_t)rank * sizeof *shape);
}

static void begin(Case *c) {
  uint64_t seed = 1;
  memset(c, 0, sizeof *c);
  fixtureCreate(&c->fixture);
  for (int i = 0; i < IDS * CHANNELS; i++)
    c->table[i] = 3 * nextUniform(&seed);
  for (int r = 0; r < ROWS; r++)
    for (int k = 0; k < CHANNELS; k++)
      c->x[r][k] = c->table[kIds[r] * CHANNELS + k];
  addWeight(c, "table", 2, (const int64_t[]){IDS, CHANNELS}, c->table);
}

#define EMBED                                                                                                \
  "func.func @forward(%ids: tensor<?x?xi32>) -> tensor<?x?xNxf32> {\n"                                       \
  "  %t = mamba.weight @ckpt::@table : tensor<7x4xf32>\n"                                                    \
  "  %x = mamba.embedding %ids, %t : (tensor<?x?xi32>, tensor<7x4xf32>) -> tensor<?x?x4xf32>\n"

/* Runs `states`, the function whose result has `channels` (N in EMBED), and `body` after the embedding, which
 * defines %y, and compares with `expected` [ROWS, channels]. */
static void check(Case *c, const char *states, const char *body, int channels, const double *expected) {
  char text[4096], result[16];
  char *checkpoint = fixtureWriteWeights(&c->fixture, "w.safetensors", "ckpt", c->weights, c->weight_count);
  snprintf(result, sizeof result, "%d", channels);
  const char *embed = EMBED;
  const char *n = strchr(embed, 'N');
  snprintf(text, sizeof text, "%s%.*s%s%s%s  return %%y : tensor<?x?x%sxf32>\n}", states, (int)(n - embed),
           embed, result, n + 1, body, result);
  fixtureParse(&c->fixture, checkpoint, text);
  free(checkpoint);
  for (int wide = 0; wide < 2; wide++) {
    MambaExecutor *executor =
        fixtureExecutor(&c->fixture, BATCH, (MambaExecutorOptions){.threads = 2, .wide = wide});
    assert_int_equal(mambaExecutorVocabulary(executor), channels);
    float *found = allocate(ROWS * (size_t)channels * sizeof *found);
    runExecutor(executor, kIds, TOKENS, MAMBA_LOGITS_ALL, found);
    for (int i = 0; i < ROWS * channels; i++)
      /* The result of a wide run is rounded to f32 once. */
      if (!(fabs(found[i] - expected[i]) <= (wide ? 0x1p-24 : 2e-6) * (1 + fabs(expected[i]))))
        fail_msg("%s: element %d: expected %.9g, found %.9g", wide ? "f64" : "f32", i, expected[i],
                 (double)found[i]);
    free(found);
    mambaExecutorDestroy(executor);
  }
  fixtureDestroy(&c->fixture);
}

static void testEmbedding(void **state) {
  (void)state;
  Case c;
  begin(&c);
  check(&c, "", "  %y = mamba.cast %x : tensor<?x?x4xf32> -> tensor<?x?x4xf32>\n", 4, &c.x[0][0]);
}

static void testRmsNorm(void **state) {
  (void)state;
  static const float gamma[CHANNELS] = {1, -0.5f, 2, 0.25f};
  for (int with_gamma = 0; with_gamma < 2; with_gamma++) {
    Case c;
    double expected[ROWS][CHANNELS];
    begin(&c);
    addWeight(&c, "gamma", 1, (const int64_t[]){CHANNELS}, gamma);
    for (int r = 0; r < ROWS; r++) {
      double squares = 0;
      for (int k = 0; k < CHANNELS; k++)
        squares += c.x[r][k] * c.x[r][k];
      for (int k = 0; k < CHANNELS; k++)
        expected[r][k] = c.x[r][k] / sqrt(squares / CHANNELS + 0.5) * (with_gamma ? gamma[k] : 1);
    }
    check(&c, "",
          with_gamma
              ? "  %g = mamba.weight @ckpt::@gamma : tensor<4xf32>\n"
                "  %y = mamba.rms_norm %x gamma %g epsilon 0.5 : (tensor<?x?x4xf32>, tensor<4xf32>) -> "
                "tensor<?x?x4xf32>\n"
              : "  %y = mamba.rms_norm %x epsilon 0.5 : (tensor<?x?x4xf32>) -> tensor<?x?x4xf32>\n",
          4, &expected[0][0]);
  }
}

/* The result of the last op has another width, and its operand is also read by an earlier one. */
static void testLinear(void **state) {
  (void)state;
  enum { N = 3 };
  static const float w[N * CHANNELS] = {1, 2, 3, 4, -1, 0.5f, 0, 2, 0.125f, -3, 1, 1};
  static const float bias[N] = {10, 0, -1};
  Case c;
  double expected[ROWS][N];
  begin(&c);
  addWeight(&c, "w", 2, (const int64_t[]){N, CHANNELS}, w);
  addWeight(&c, "b", 1, (const int64_t[]){N}, bias);
  for (int r = 0; r < ROWS; r++)
    for (int n = 0; n < N; n++) {
      expected[r][n] = bias[n];
      for (int k = 0; k < CHANNELS; k++)
        expected[r][n] += w[n * CHANNELS + k] * (c.x[r][k] + c.x[r][k]);
    }
  check(&c, "",
        "  %w = mamba.weight @ckpt::@w : tensor<3x4xf32>\n"
        "  %b = mamba.weight @ckpt::@b : tensor<3xf32>\n"
        "  %d = mamba.add %x, %x : (tensor<?x?x4xf32>, tensor<?x?x4xf32>) -> tensor<?x?x4xf32>\n"
        "  %y = mamba.linear %d, %w bias %b : (tensor<?x?x4xf32>, tensor<3x4xf32>, tensor<3xf32>) -> "
        "tensor<?x?x3xf32>\n",
        N, &expected[0][0]);
}

static void testSliceAndBroadcast(void **state) {
  (void)state;
  static const float scale[2] = {0.5f, -4};
  Case c;
  double expected[ROWS][2];
  begin(&c);
  addWeight(&c, "s", 1, (const int64_t[]){2}, scale);
  for (int r = 0; r < ROWS; r++)
    for (int k = 0; k < 2; k++)
      expected[r][k] = c.x[r][k + 1] * scale[k] * c.x[r][3] * 0.25;
  check(&c, "",
        "  %s = mamba.weight @ckpt::@s : tensor<2xf32>\n"
        "  %q = mamba.scale 0.25 : tensor<f32>\n"
        "  %a = mamba.slice %x from 1 : tensor<?x?x4xf32> -> tensor<?x?x2xf32>\n"
        "  %b = mamba.slice %x from 3 : tensor<?x?x4xf32> -> tensor<?x?x1xf32>\n"
        "  %m = mamba.mul %s, %a : (tensor<2xf32>, tensor<?x?x2xf32>) -> tensor<?x?x2xf32>\n"
        "  %n = mamba.mul %q, %m : (tensor<f32>, tensor<?x?x2xf32>) -> tensor<?x?x2xf32>\n"
        "  %y = mamba.mul %n, %b : (tensor<?x?x2xf32>, tensor<?x?x1xf32>) -> tensor<?x?x2xf32>\n",
        2, &expected[0][0]);
}

static void testPointwise(void **state) {
  (void)state;
  Case c;
  double expected[ROWS][CHANNELS];
  begin(&c);
  for (int r = 0; r < ROWS; r++)
    for (int k = 0; k < CHANNELS; k++) {
      const double v = c.x[r][k], silu = v / (1 + exp(-v)), plus = log(1 + exp(v));
      const double sum = silu + plus;
      expected[r][k] = sum > 1.5 ? 1.5 : sum < -1.5 ? -1.5 : sum;
    }
  check(&c, "",
        "  %a = mamba.silu %x : tensor<?x?x4xf32> -> tensor<?x?x4xf32>\n"
        "  %b = mamba.softplus %x : tensor<?x?x4xf32> -> tensor<?x?x4xf32>\n"
        "  %c = mamba.add %a, %b : (tensor<?x?x4xf32>, tensor<?x?x4xf32>) -> tensor<?x?x4xf32>\n"
        "  %y = mamba.clamp %c to 1.5 : tensor<?x?x4xf32> -> tensor<?x?x4xf32>\n",
        4, &expected[0][0]);
}

static void testConv(void **state) {
  (void)state;
  enum { WIDTH = 3 };
  static const float w[CHANNELS * WIDTH] = {1, 2, 3, -1, 0.5f, 0, 0.125f, -3, 1, 2, 2, -2};
  static const float bias[CHANNELS] = {1, 0, -1, 0.5f};
  Case c;
  double expected[ROWS][CHANNELS];
  begin(&c);
  addWeight(&c, "w", 3, (const int64_t[]){CHANNELS, 1, WIDTH}, w);
  addWeight(&c, "b", 1, (const int64_t[]){CHANNELS}, bias);
  for (int r = 0; r < ROWS; r++)
    for (int k = 0; k < CHANNELS; k++) {
      expected[r][k] = bias[k];
      for (int j = 0; j < WIDTH; j++)
        if (r % TOKENS + j >= WIDTH - 1)
          expected[r][k] += w[k * WIDTH + j] * c.x[r - (WIDTH - 1) + j][k];
    }
  check(&c, "mamba.state @conv : tensor<2x4xf32>\n",
        "  %w = mamba.weight @ckpt::@w : tensor<4x1x3xf32>\n"
        "  %b = mamba.weight @ckpt::@b : tensor<4xf32>\n"
        "  %y = mamba.causal_conv1d %x, %w bias %b state @conv : (tensor<?x?x4xf32>, tensor<4x1x3xf32>, "
        "tensor<4xf32>) -> tensor<?x?x4xf32>\n",
        4, &expected[0][0]);
}

/* u is x, dt is softplus(x), B and C are slices of x; A = -exp(A_log). */
static void testScan(void **state) {
  (void)state;
  enum { N = 2 };
  static const float a_log[CHANNELS * N] = {0, 0.5f, -1, 1, 0.25f, -0.5f, 0.75f, -2};
  static const float skip[CHANNELS] = {1, 0, -1, 0.5f};
  Case c;
  double expected[ROWS][CHANNELS];
  begin(&c);
  addWeight(&c, "a", 2, (const int64_t[]){CHANNELS, N}, a_log);
  addWeight(&c, "d", 1, (const int64_t[]){CHANNELS}, skip);
  for (int sequence = 0; sequence < BATCH; sequence++)
    for (int k = 0; k < CHANNELS; k++) {
      double h[N] = {0};
      for (int r = sequence * TOKENS; r < (sequence + 1) * TOKENS; r++) {
        const double u = c.x[r][k], dt = log(1 + exp(u));
        expected[r][k] = skip[k] * u;
        for (int n = 0; n < N; n++) {
          h[n] = exp(-dt * exp(a_log[k * N + n])) * h[n] + dt * u * c.x[r][n];
          expected[r][k] += c.x[r][2 + n] * h[n];
        }
      }
    }
  check(&c, "mamba.state @ssm : tensor<2x4xf32>\n",
        "  %l = mamba.weight @ckpt::@a : tensor<4x2xf32>\n"
        "  %d = mamba.weight @ckpt::@d : tensor<4xf32>\n"
        "  %a = mamba.neg_exp %l : tensor<4x2xf32> -> tensor<4x2xf32>\n"
        "  %dt = mamba.softplus %x : tensor<?x?x4xf32> -> tensor<?x?x4xf32>\n"
        "  %b = mamba.slice %x from 0 : tensor<?x?x4xf32> -> tensor<?x?x2xf32>\n"
        "  %c = mamba.slice %x from 2 : tensor<?x?x4xf32> -> tensor<?x?x2xf32>\n"
        "  %y = mamba.selective_scan %x dt %dt a %a b %b c %c d %d state @ssm : (tensor<?x?x4xf32>, "
        "tensor<?x?x4xf32>, tensor<4x2xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<4xf32>) -> "
        "tensor<?x?x4xf32>\n",
        4, &expected[0][0]);
}

static void testHadamard(void **state) {
  (void)state;
  static const double h[4][4] = {{1, 1, 1, 1}, {1, -1, 1, -1}, {1, 1, -1, -1}, {1, -1, -1, 1}};
  Case c;
  double expected[ROWS][CHANNELS];
  begin(&c);
  for (int r = 0; r < ROWS; r++)
    for (int i = 0; i < CHANNELS; i++) {
      expected[r][i] = 0;
      for (int j = 0; j < CHANNELS; j++)
        expected[r][i] += h[i][j] * c.x[r][j] / 2;
    }
  check(&c, "", "  %y = mamba.hadamard %x axis 2 : tensor<?x?x4xf32> -> tensor<?x?x4xf32>\n", 4,
        &expected[0][0]);
}

/* linear(hadamard(x), hadamard(W)) is linear(x, W), for an order whose matrix is not symmetric; so is the
 * pair with transpose. */
static void testHadamardPairs(void **state) {
  (void)state;
  enum { N = 12 };
  float w[N * CHANNELS], v[3 * N];
  uint64_t seed = 5;
  for (int i = 0; i < N * CHANNELS; i++)
    w[i] = nextUniform(&seed);
  for (int i = 0; i < 3 * N; i++)
    v[i] = nextUniform(&seed);
  for (int transpose = 0; transpose < 2; transpose++) {
    Case c;
    double expected[ROWS][3];
    begin(&c);
    addWeight(&c, "w", 2, (const int64_t[]){N, CHANNELS}, w);
    addWeight(&c, "v", 2, (const int64_t[]){3, N}, v);
    for (int r = 0; r < ROWS; r++)
      for (int i = 0; i < 3; i++) {
        expected[r][i] = 0;
        for (int n = 0; n < N; n++)
          for (int k = 0; k < CHANNELS; k++)
            expected[r][i] += (double)v[i * N + n] * w[n * CHANNELS + k] * c.x[r][k];
      }
    check(&c, "",
          transpose
              ? "  %w = mamba.weight @ckpt::@w : tensor<12x4xf32>\n"
                "  %v = mamba.weight @ckpt::@v : tensor<3x12xf32>\n"
                "  %h = mamba.linear %x, %w : (tensor<?x?x4xf32>, tensor<12x4xf32>) -> tensor<?x?x12xf32>\n"
                "  %r = mamba.hadamard %h axis 2 transpose : tensor<?x?x12xf32> -> tensor<?x?x12xf32>\n"
                "  %u = mamba.hadamard %v axis 1 transpose : tensor<3x12xf32> -> tensor<3x12xf32>\n"
                "  %y = mamba.linear %r, %u : (tensor<?x?x12xf32>, tensor<3x12xf32>) -> tensor<?x?x3xf32>\n"
              : "  %w = mamba.weight @ckpt::@w : tensor<12x4xf32>\n"
                "  %v = mamba.weight @ckpt::@v : tensor<3x12xf32>\n"
                "  %g = mamba.hadamard %w axis 0 : tensor<12x4xf32> -> tensor<12x4xf32>\n"
                "  %r = mamba.linear %x, %g : (tensor<?x?x4xf32>, tensor<12x4xf32>) -> tensor<?x?x12xf32>\n"
                "  %u = mamba.hadamard %v axis 1 : tensor<3x12xf32> -> tensor<3x12xf32>\n"
                "  %y = mamba.linear %r, %u : (tensor<?x?x12xf32>, tensor<3x12xf32>) -> tensor<?x?x3xf32>\n",
          3, &expected[0][0]);
  }
}

static double quantized(double v, double scale) {
  const double q = nearbyint(v * (1 / scale));
  return (q > 127 ? 127 : q < -127 ? -127 : q) * scale;
}

/* Fake quantization: a scale for the tensor (one that saturates), per channel, and per token. */
static void testQuantize(void **state) {
  (void)state;
  static const float scales[CHANNELS] = {0.015625f, 0.03125f, 0.0625f, 0.5f};
  Case c;
  double expected[ROWS][CHANNELS];
  begin(&c);
  addWeight(&c, "s", 1, (const int64_t[]){CHANNELS}, scales);
  for (int r = 0; r < ROWS; r++) {
    double amax = 0;
    for (int k = 0; k < CHANNELS; k++)
      amax = fmax(amax, fabs(c.x[r][k]));
    for (int k = 0; k < CHANNELS; k++)
      expected[r][k] =
          quantized(c.x[r][k], 0.015625) + quantized(c.x[r][k], scales[k]) + quantized(c.x[r][k], amax / 127);
  }
  check(&c, "",
        "  %s = mamba.scale 1.562500e-02 : tensor<f32>\n"
        "  %v = mamba.weight @ckpt::@s : tensor<4xf32>\n"
        "  %p = mamba.absmax_scale %x : tensor<?x?x4xf32> -> tensor<?x?x1xf32>\n"
        "  %q0 = mamba.quantize %x, %s : tensor<?x?x4xf32>, tensor<f32> -> tensor<?x?x4xi8>\n"
        "  %q1 = mamba.quantize %x, %v : tensor<?x?x4xf32>, tensor<4xf32> -> tensor<?x?x4xi8>\n"
        "  %q2 = mamba.quantize %x, %p : tensor<?x?x4xf32>, tensor<?x?x1xf32> -> tensor<?x?x4xi8>\n"
        "  %d0 = mamba.dequantize %q0, %s : tensor<?x?x4xi8>, tensor<f32> -> tensor<?x?x4xf32>\n"
        "  %d1 = mamba.dequantize %q1, %v : tensor<?x?x4xi8>, tensor<4xf32> -> tensor<?x?x4xf32>\n"
        "  %d2 = mamba.dequantize %q2, %p : tensor<?x?x4xi8>, tensor<?x?x1xf32> -> tensor<?x?x4xf32>\n"
        "  %a = mamba.add %d0, %d1 : (tensor<?x?x4xf32>, tensor<?x?x4xf32>) -> tensor<?x?x4xf32>\n"
        "  %y = mamba.add %a, %d2 : (tensor<?x?x4xf32>, tensor<?x?x4xf32>) -> tensor<?x?x4xf32>\n",
        4, &expected[0][0]);
}

/* Values stored as f16 and bf16 between ops; ops read them directly. 11 and 8 bits of significand. */
static void testCasts(void **state) {
  (void)state;
  Case c;
  double expected[ROWS][CHANNELS];
  begin(&c);
  for (int r = 0; r < ROWS; r++)
    for (int k = 0; k < CHANNELS; k++) {
      int exponent;
      const double m = frexp(c.x[r][k], &exponent);
      const double half = ldexp(nearbyint(ldexp(m, 11)), exponent - 11);
      const double bfloat = ldexp(nearbyint(ldexp(m, 8)), exponent - 8);
      expected[r][k] = half / (1 + exp(-half)) + bfloat;
    }
  check(&c, "",
        "  %h = mamba.cast %x : tensor<?x?x4xf32> -> tensor<?x?x4xf16>\n"
        "  %g = mamba.cast %x : tensor<?x?x4xf32> -> tensor<?x?x4xbf16>\n"
        "  %s = mamba.silu %h : tensor<?x?x4xf16> -> tensor<?x?x4xf32>\n"
        "  %y = mamba.add %s, %g : (tensor<?x?x4xf32>, tensor<?x?x4xbf16>) -> tensor<?x?x4xf32>\n",
        4, &expected[0][0]);
}

/* A linear layer converts an f16 input first, also where it is run for some tokens only. */
static void testLinearReadsHalf(void **state) {
  (void)state;
  static const float w[CHANNELS] = {1, -1, 0.5f, 2};
  Case c;
  double expected[ROWS][1];
  begin(&c);
  addWeight(&c, "w", 2, (const int64_t[]){1, CHANNELS}, w);
  for (int i = 0; i < IDS * CHANNELS; i++)
    c.table[i] = (float)((i * 5) % 17 - 8); /* exact in f16 */
  for (int r = 0; r < ROWS; r++) {
    expected[r][0] = 0;
    for (int k = 0; k < CHANNELS; k++)
      expected[r][0] += w[k] * c.table[kIds[r] * CHANNELS + k];
  }
  check(&c, "",
        "  %w = mamba.weight @ckpt::@w : tensor<1x4xf32>\n"
        "  %h = mamba.cast %x : tensor<?x?x4xf32> -> tensor<?x?x4xf16>\n"
        "  %y = mamba.linear %h, %w : (tensor<?x?x4xf16>, tensor<1x4xf32>) -> tensor<?x?x1xf32>\n",
        1, &expected[0][0]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(testEmbedding),     cmocka_unit_test(testRmsNorm),
      cmocka_unit_test(testLinear),        cmocka_unit_test(testSliceAndBroadcast),
      cmocka_unit_test(testPointwise),     cmocka_unit_test(testConv),
      cmocka_unit_test(testScan),          cmocka_unit_test(testHadamard),
      cmocka_unit_test(testHadamardPairs), cmocka_unit_test(testQuantize),
      cmocka_unit_test(testCasts),         cmocka_unit_test(testLinearReadsHalf),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
