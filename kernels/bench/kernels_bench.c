/* Times the kernels on the shapes of a Mamba-1 model, one thread: kernels_bench [MODEL [ROWS...]].
 *
 * A line per kernel and number of rows: the least time of one call, the rate of the bytes it must read
 * at least (weights and state, in GB/s, and as a share of the read bandwidth measured at the start), the rate
 * of its multiplications, and the time per token that all layers of the model spend in it. Every call of a
 * kernel gets the weights of another layer, so that decode reads memory and not a cache.
 * MAMBA_ISA names the instruction set, as everywhere. */
#include "mamba_kernels.h"
#include "pack_i4.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_SAMPLES = 200, STATES = 16, WIDTH = 4, VOCABULARY = 50280, COPIES_BYTES = 512 << 20 };

typedef struct shape {
  const char *name;
  int32_t d, layers;
} shape;

static const shape shapes[] = {
    {"130m", 768, 24}, {"370m", 1024, 48}, {"790m", 1536, 48}, {"1.4b", 2048, 48}, {"2.8b", 2560, 64}};

static double bandwidth; /* bytes per second */
static double total_ms;  /* per token, of all kernels of one number of rows */
static bool out_of_memory;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* NULL where there is no memory; then nothing is measured any more. */
static void *allocate(size_t bytes) {
  void *memory = out_of_memory ? NULL : aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (!memory && !out_of_memory)
    fprintf(stderr, "kernels_bench: out of memory: %zu bytes\n", bytes);
  out_of_memory = !memory;
  return memory;
}

/* Small pseudo-random integers: bytes that are valid int8 values. */
static void *random_bytes(size_t bytes) {
  int8_t *data = allocate(bytes);
  uint32_t state = 1;
  for (size_t i = 0; data && i < bytes; ++i) {
    state = state * 1664525 + 1013904223;
    data[i] = (int8_t)(state % 255 - 127);
  }
  return data;
}

static float *random_floats(size_t count, float from, float to) {
  float *data = allocate(count * sizeof(float));
  uint32_t state = 1;
  for (size_t i = 0; data && i < count; ++i) {
    state = state * 1664525 + 1013904223;
    data[i] = from + (to - from) * (float)(state >> 8) * 0x1p-24f;
  }
  return data;
}

typedef struct job {
  void (*call)(const void *context, int32_t copy);
  const void *context;
  int32_t copies;
} job;

/* The least seconds of one call among samples of at least 100 us: what other programs on the machine do can
 * only make a sample longer. */
static double least_seconds(job j) {
  double least = INFINITY;
  int count = 0;
  j.call(j.context, 0);
  const double end = now() + 0.4;
  int32_t copy = 0;
  while (count < MAX_SAMPLES && (count < 25 || now() < end)) {
    int calls = 0;
    const double begin = now();
    double elapsed = 0;
    while (elapsed < 100e-6) { /* a sample long enough for the clock */
      copy = (copy + 1) % j.copies;
      j.call(j.context, copy);
      ++calls;
      elapsed = now() - begin;
    }
    least = fmin(least, elapsed / calls);
    ++count;
  }
  return least;
}

static void report(const char *kernel, int32_t rows, int32_t calls, job j, double bytes, double operations) {
  if (out_of_memory)
    return;
  const double seconds = least_seconds(j);
  const double token_ms = seconds * calls / rows * 1e3;
  total_ms += token_ms;
  printf("%-22s rows %4d %10.2f us %7.1f GB/s %4.0f%% %8.1f G/s %8.4f ms/token\n", kernel, (int)rows,
         seconds * 1e6, bytes / seconds * 1e-9, bytes / seconds / bandwidth * 100,
         operations / seconds * 1e-9, token_ms);
  fflush(stdout);
}

static volatile uint64_t sink;

/* Reads one word of each line of 64 bytes, from four places in turn: more lines are under way than from one.
 */
static void read_all(const void *context, int32_t copy) {
  enum { STREAMS = 4, STREAM_WORDS = COPIES_BYTES / STREAMS / 8 };
  const uint64_t *words = context;
  uint64_t sums[STREAMS] = {0};
  (void)copy;
  for (size_t i = 0; i < STREAM_WORDS; i += 8)
    for (size_t s = 0; s < STREAMS; ++s)
      sums[s] += words[s * STREAM_WORDS + i];
  for (int s = 0; s < STREAMS; ++s)
    sink += sums[s];
}

static const mamba_worker alone = {0, 1};

typedef struct linear_context {
  const int8_t *x;
  const float *row_scale, *multiplier, *xf;
  char *packed;
  int32_t rows, k, n;
  size_t stride;
  mamba_type type;
  mamba_output out;
} linear_context;

static void call_linear_i8(const void *context, int32_t copy) {
  const linear_context *c = context;
  mamba_linear_i8_packed(c->x, c->row_scale, c->packed + (size_t)copy * c->stride, c->multiplier, NULL,
                         c->rows, c->k, c->n, &c->out, 1, alone);
}

static void call_linear_float(const void *context, int32_t copy) {
  const linear_context *c = context;
  mamba_linear_float(c->xf, c->packed + (size_t)copy * c->stride, c->type, NULL, c->rows, c->k, c->n,
                     c->out.data, alone);
}

/* A product of integers; `bytes` of weights are what it has to read. */
static void bench_integers(const char *name, int32_t rows, int32_t calls, int32_t k, int32_t n, char *weights,
                           size_t stride, double bytes, void (*call)(const void *, int32_t)) {
  linear_context c = {.x = random_bytes((size_t)rows * (size_t)k),
                      .row_scale = random_floats((size_t)rows, 0.5f, 1),
                      .multiplier = random_floats((size_t)n, 1e-3f, 1e-2f),
                      .packed = weights,
                      .rows = rows,
                      .k = k,
                      .n = n,
                      .stride = stride};
  c.out = (mamba_output){allocate((size_t)rows * (size_t)n * 2), MAMBA_F16, n, 1, NULL};
  report(name, rows, calls, (job){call, &c, (int32_t)(COPIES_BYTES / stride)}, bytes, (double)n * k * rows);
  free((void *)c.x);
  free((void *)c.row_scale);
  free((void *)c.multiplier);
  free(c.out.data);
}

static void bench_linear_i8(const char *name, int32_t rows, int32_t calls, int32_t k, int32_t n,
                            char *weights) {
  bench_integers(name, rows, calls, k, n, weights, mamba_packed_i8_bytes(n, k), (double)n * k,
                 call_linear_i8);
}

/* In 4 bits, in groups of I4_GROUP. */
enum { I4_GROUP = 128 };

static void call_linear_i4(const void *context, int32_t copy) {
  const linear_context *c = context;
  mamba_linear_i4(c->x, c->row_scale, c->packed + (size_t)copy * c->stride, c->multiplier, NULL, c->rows,
                  c->k, I4_GROUP, c->n, &c->out, 1, alone);
}

static void bench_linear_i4(const char *name, int32_t rows, int32_t calls, int32_t k, int32_t n,
                            char *weights) {
  const size_t stride = (mamba_packed_i4_blocks_bytes(n, k, I4_GROUP) + 63) / 64 * 64;
  bench_integers(name, rows, calls, k, n, weights, stride, (double)stride, call_linear_i4);
}

static void bench_linear_float(const char *name, int32_t rows, mamba_type type, int32_t k, int32_t n,
                               char *weights) {
  const size_t size = type == MAMBA_F32 ? 4 : 2;
  linear_context c = {.xf = random_floats((size_t)rows * (size_t)k, -1, 1),
                      .packed = weights,
                      .rows = rows,
                      .k = k,
                      .n = n,
                      .stride = (size_t)n * (size_t)k * size,
                      .type = type};
  c.out.data = allocate((size_t)rows * (size_t)n * sizeof(float));
  const int32_t copies = (int32_t)(COPIES_BYTES / c.stride);
  report(name, rows, 1, (job){call_linear_float, &c, copies > 0 ? copies : 1}, (double)c.stride,
         (double)n * k * rows);
  free((void *)c.xf);
  free(c.out.data);
}

typedef struct block_context {
  int32_t rows, batch, d;
  const void *i8;
  const float *f32, *negative, *weights;
  float *state, *sum, *scratch, *row_scale;
  void *conv_state, *out;
} block_context;

static void call_scan(const void *context, int32_t copy) {
  const block_context *c = context;
  const mamba_input u = {c->f32, MAMBA_F32, 1, NULL}, z = u, dt = {c->f32, MAMBA_F32, 1, NULL}, b = u;
  (void)copy;
  mamba_selective_scan(u, dt, true, c->negative, b, b, c->weights, z, c->state, c->batch, c->rows / c->batch,
                       c->d, STATES, (mamba_output){c->out, MAMBA_F32, c->d, 1, NULL}, alone);
}

static void call_conv(const void *context, int32_t copy) {
  const block_context *c = context;
  const mamba_input x = {c->f32, MAMBA_F32, 1, NULL};
  const mamba_output outs[2] = {{c->sum, MAMBA_F32, c->d, 1, NULL}, {c->out, MAMBA_I8, c->d, 9, NULL}};
  (void)copy;
  mamba_conv1d(x, c->weights, MAMBA_F32, NULL, c->weights, true, c->conv_state, c->batch, c->rows / c->batch,
               c->d, WIDTH, outs, 2, alone);
}

static void call_norm(const void *context, int32_t copy) {
  const block_context *c = context;
  (void)copy;
  mamba_rms_norm(c->f32, c->f32, c->sum, c->weights, 1e-5f, c->rows, c->d / 2,
                 (mamba_output){c->out, MAMBA_I8, c->d / 2, 1, NULL}, c->row_scale, alone);
}

static void call_hadamard(const void *context, int32_t copy) {
  const block_context *c = context;
  (void)copy;
  mamba_hadamard(c->f32, false, c->rows, c->d, c->scratch, (mamba_output){c->out, MAMBA_I8, c->d, 1, NULL},
                 c->row_scale, alone);
}

static void bench_block(int32_t rows, int32_t layers, int32_t d) {
  const size_t count = (size_t)rows * (size_t)d;
  block_context c = {.rows = rows,
                     .batch = rows < 64 ? rows : 1,
                     .d = d,
                     .i8 = random_bytes(count),
                     .f32 = random_floats(count, -2, 2),
                     .negative = random_floats((size_t)STATES * (size_t)d, -16, -1),
                     .weights = random_floats((size_t)WIDTH * (size_t)d, -1, 1),
                     .state = random_floats((size_t)rows * STATES * (size_t)d, -1, 1),
                     .sum = allocate(count * 4),
                     .scratch = allocate((size_t)d * 4),
                     .row_scale = allocate((size_t)rows * 4),
                     .conv_state = random_floats((size_t)rows * WIDTH * (size_t)d, -1, 1),
                     .out = allocate(count * 4)};
  const double updates = (double)count * STATES;
  report("selective_scan", rows, layers, (job){call_scan, &c, 1}, (double)c.batch * STATES * d * 4, updates);
  report("conv1d + silu", rows, layers, (job){call_conv, &c, 1}, (double)count * 4, (double)count * WIDTH);
  report("rms_norm", rows, layers, (job){call_norm, &c, 1}, (double)count * 4, (double)count / 2);
  report("hadamard", rows, layers, (job){call_hadamard, &c, 1}, (double)count * 4, (double)count);
  free((void *)c.i8);
  free((void *)c.f32);
  free((void *)c.negative);
  free((void *)c.weights);
  free(c.state);
  free(c.sum);
  free(c.scratch);
  free(c.row_scale);
  free(c.conv_state);
  free(c.out);
}

static void bench_model(shape s, int32_t rows, char *weights) {
  const int32_t inner = 2 * s.d, rank = (s.d + 15) / 16;
  total_ms = 0;
  bench_linear_i8("linear_i8 in_proj", rows, s.layers, s.d, 2 * inner, weights);
  bench_linear_i8("linear_i8 x_proj", rows, s.layers, inner, rank + 2 * STATES, weights);
  bench_linear_i8("linear_i8 dt_proj", rows, s.layers, rank, inner, weights);
  bench_linear_i8("linear_i8 out_proj", rows, s.layers, inner, s.d, weights);
  bench_linear_i4("linear_i4 in_proj", rows, s.layers, s.d, 2 * inner, weights);
  bench_linear_i4("linear_i4 out_proj", rows, s.layers, inner, s.d, weights);
  bench_block(rows, s.layers, inner);
  if (out_of_memory)
    return;
  printf("%s, %d rows: %.4f ms/token without embedding and head\n", s.name, (int)rows, total_ms);
  if (rows > 64)
    return;
  bench_linear_i8("linear_i8 head", rows, 1, s.d, VOCABULARY, weights);
  bench_linear_float("linear_float head f16", rows, MAMBA_F16, s.d, VOCABULARY, weights);
  bench_linear_float("linear_float head bf16", rows, MAMBA_BF16, s.d, VOCABULARY, weights);
  bench_linear_float("linear_float head f32", rows, MAMBA_F32, s.d, VOCABULARY, weights);
}

int main(int argc, char **argv) {
  const shape *chosen = &shapes[0];
  for (size_t i = 0; argc > 1 && i < sizeof shapes / sizeof shapes[0]; ++i)
    if (strcmp(argv[1], shapes[i].name) == 0)
      chosen = &shapes[i];
  if (argc > 1 && strcmp(argv[1], chosen->name) != 0) {
    fprintf(stderr, "usage: kernels_bench [130m|370m|790m|1.4b|2.8b [ROWS...]]\n");
    return 2;
  }
  const char *broken = mamba_kernels_check_contract();
  if (broken) {
    fprintf(stderr, "%s\n", broken);
    return 1;
  }
  char *weights = random_bytes(COPIES_BYTES);
  if (!weights)
    return 1;
  for (size_t i = 0; i < COPIES_BYTES; i += 2) { /* as f16, bf16 or f32 they are normal numbers */
    weights[i] = (char)(weights[i] & 0x7f);
    weights[i + 1] = (char)((weights[i + 1] & 0x83) | 0x3c);
  }
  const double seconds = least_seconds((job){read_all, weights, 1});
  bandwidth = COPIES_BYTES / seconds;
  printf("%s, read bandwidth of one thread %.1f GB/s\n", mamba_kernels_instruction_set(), bandwidth * 1e-9);
  static const int32_t usual[] = {1, 8, 512};
  const int count = argc > 2 ? argc - 2 : 3;
  for (int i = 0; i < count; ++i) {
    const int32_t rows = argc > 2 ? atoi(argv[i + 2]) : usual[i];
    if (rows >= 1 && rows <= 65536)
      bench_model(*chosen, rows, weights);
  }
  free(weights);
  return out_of_memory ? 1 : 0;
}
