#include "data.h"

#include "mamba_math.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_MESSAGES = 20 };

static uint64_t state = 1;
static uint64_t digest = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
static int64_t cases, differences;
static char case_name[256];

/* splitmix64 (Steele, Lea and Flood 2014). */
uint64_t random_bits(void) {
  uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

int32_t random_below(int32_t bound) {
  return (int32_t)(random_bits() % (uint64_t)bound);
}

bool random_bool(void) {
  return random_bits() >> 63;
}

static float random_plain(void) {
  return ((float)random_below(1 << 24) * 0x1p-23f - 1.0f) * 4.0f;
}

static float random_float(data_kind kind) {
  static const uint32_t special[] = {0x00000000, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00000, 0x00000001,
                                     0x807fffff, 0x00800000, 0x7f7fffff, 0xff7fffff, 0x3f800000, 0xc1a00000};
  if (kind == DATA_PLAIN)
    return random_plain();
  if (kind == DATA_ZERO)
    return random_below(64) == 0 ? random_plain() * 0x1p-120f : 0.0f;
  switch (random_below(8)) {
  case 0:
    return mambaFloatFromBits(special[random_below(sizeof special / sizeof special[0])]);
  case 1:
    return mambaFloatFromBits((uint32_t)random_bits());
  case 2:
    return (float)(random_below(512) - 256) * 0.5f;
  case 3:
    return random_plain() * 40.0f;
  default:
    return random_plain();
  }
}

size_t type_size(mamba_type type) {
  return type == MAMBA_I8 ? 1 : type == MAMBA_F32 ? 4 : 2;
}

static void *allocate(size_t bytes) {
  void *memory = malloc(bytes > 0 ? bytes : 1);
  if (!memory) {
    fputs("out of memory\n", stderr);
    exit(2);
  }
  return memory;
}

void *random_values(mamba_type type, int64_t count, data_kind kind) {
  void *values = allocate((size_t)count * type_size(type));
  for (int64_t i = 0; i < count; ++i) {
    if (type == MAMBA_I8)
      ((int8_t *)values)[i] = (int8_t)(kind == DATA_EXTREME && random_bool() ? (random_bool() ? 127 : -127)
                                                                             : random_below(255) - 127);
    else if (type == MAMBA_F16)
      ((uint16_t *)values)[i] = mambaFloatToHalf(random_float(kind));
    else if (type == MAMBA_BF16)
      ((uint16_t *)values)[i] = mambaFloatToBfloat(random_float(kind));
    else
      ((float *)values)[i] = random_float(kind);
  }
  return values;
}

float *random_floats(int64_t count, data_kind kind) {
  return random_values(MAMBA_F32, count, kind);
}

float *random_scales(int64_t count) {
  float *scales = allocate((size_t)count * sizeof(float));
  for (int64_t i = 0; i < count; ++i)
    scales[i] = ((float)random_below(1 << 20) * 0x1p-20f + 0.5f) * 0x1p-5f;
  return scales;
}

void *copy_values(mamba_type type, int64_t count, const void *values) {
  void *copy = allocate((size_t)count * type_size(type));
  memcpy(copy, values, (size_t)count * type_size(type));
  return copy;
}

void *unset_values(mamba_type type, int64_t count) {
  void *values = allocate((size_t)count * type_size(type));
  memset(values, 0x80, (size_t)count * type_size(type)); /* -128 as an int8 */
  return values;
}

mamba_input random_input(mamba_type type, int64_t count, int32_t channels, data_kind kind) {
  float *scales = random_scales(channels);
  mamba_input input = {random_values(type, count, kind), type, scales[0], scales};
  if (type != MAMBA_I8 || random_bool()) {
    free(scales);
    input.scales = NULL;
  }
  return input;
}

mamba_output unset_output(mamba_type type, int64_t count, int32_t channels) {
  float *scales = random_scales(channels);
  for (int32_t c = 0; c < channels; ++c)
    scales[c] = 1.0f / scales[c];
  mamba_output output = {unset_values(type, count), type, channels, scales[0], scales};
  if (type != MAMBA_I8 || random_bool()) {
    free(scales);
    output.inv_scales = NULL;
  }
  return output;
}

mamba_output similar_output(mamba_output other, int64_t count) {
  other.data = unset_values(other.type, count);
  if (other.inv_scales)
    other.inv_scales = copy_values(MAMBA_F32, other.channels, other.inv_scales);
  return other;
}

void release_input(mamba_input input) {
  free((void *)input.data);
  free((void *)input.scales);
}

void release_output(mamba_output output) {
  free(output.data);
  free((void *)output.inv_scales);
}

void begin_case(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(case_name, sizeof case_name, format, arguments);
  va_end(arguments);
  cases++;
}

/* The bits of element i, with one NaN for all. */
static uint32_t bits_of(mamba_type type, const void *values, int64_t i) {
  if (type == MAMBA_I8)
    return (uint8_t)((const int8_t *)values)[i];
  if (type == MAMBA_F32) {
    const uint32_t bits = mambaFloatBits(((const float *)values)[i]);
    return (bits & 0x7fffffffu) > 0x7f800000u ? 0x7fc00000u : bits;
  }
  const uint16_t bits = ((const uint16_t *)values)[i];
  const uint16_t infinity = type == MAMBA_F16 ? 0x7c00 : 0x7f80;
  return (bits & 0x7fffu) > infinity ? 0x7fffu : bits;
}

void expect_equal(const char *what, mamba_type type, int64_t count, const void *actual,
                  const void *expected) {
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t found = bits_of(type, actual, i), wanted = bits_of(type, expected, i);
    for (int byte = 0; byte < 4; ++byte)
      digest = (digest ^ (found >> 8 * byte & 0xff)) * UINT64_C(0x100000001b3);
    if (found == wanted)
      continue;
    if (differences++ < MAX_MESSAGES)
      printf("%s: %s[%lld]: expected bits %08x, found %08x\n", case_name, what, (long long)i, wanted, found);
  }
}

int finish(void) {
  printf("%s: %lld cases, %lld differences\n", mamba_kernels_instruction_set(), (long long)cases,
         (long long)differences);
  printf("digest %016llx\n", (unsigned long long)digest);
  return differences > 0;
}
