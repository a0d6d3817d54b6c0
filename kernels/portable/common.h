/* What the portable kernels share: a worker's share, blocks of channels, loads and stores of the
 * storage types, the contract's sum. Included once per instruction set by portable/kernels.c. */
#ifndef MAMBA_PORTABLE_COMMON_H
#define MAMBA_PORTABLE_COMMON_H

#include "../mamba_kernels.h"
#include "../mamba_math.h"

#include <stddef.h>

enum {
  LANES = 16,  /* partial sums of the contract; channels that a block does at once */
  CHUNK = 256, /* values converted at a time, so that buffers stay on the stack and in the first cache */
};

static inline int32_t smaller(int32_t a, int32_t b) {
  return a < b ? a : b;
}

/* The first of n items that belongs to `index` of the workers; worker `index + 1`'s ends this one's. */
static inline int32_t share_begin(int32_t n, int index, int count) {
  return (int32_t)((int64_t)n * index / count);
}

/* A worker's share of d channels in whole blocks of LANES (the last may be short). */
static inline void share_channels(int32_t d, mamba_worker worker, int32_t *begin, int32_t *end) {
  const int32_t blocks = (d - 1) / LANES + 1;
  *begin = share_begin(blocks, worker.index, worker.count) * LANES;
  *end = smaller(share_begin(blocks, worker.index + 1, worker.count) * LANES, d);
}

/* values[i] = the float value of element first + i, whose channel is channel + i. */
static inline void load_values(mamba_input in, int64_t first, int32_t channel, int32_t count,
                               float *restrict values) {
  switch (in.type) {
  case MAMBA_I8: {
    const int8_t *restrict data = (const int8_t *)in.data + first;
    if (in.scales) {
      const float *restrict scales = in.scales + channel;
      for (int32_t i = 0; i < count; ++i)
        values[i] = (float)data[i] * scales[i];
    } else {
      for (int32_t i = 0; i < count; ++i)
        values[i] = (float)data[i] * in.scale;
    }
    break;
  }
  case MAMBA_F16: {
    const uint16_t *restrict data = (const uint16_t *)in.data + first;
    for (int32_t i = 0; i < count; ++i)
      values[i] = mambaHalfToFloat(data[i]);
    break;
  }
  case MAMBA_BF16: {
    const uint16_t *restrict data = (const uint16_t *)in.data + first;
    for (int32_t i = 0; i < count; ++i)
      values[i] = mambaBfloatToFloat(data[i]);
    break;
  }
  case MAMBA_F32:
    memcpy(values, (const float *)in.data + first, (size_t)count * sizeof(float));
    break;
  }
}

/* Element first + i of `out`, whose channel is channel + i, becomes values[i] in out's type. */
static inline void store_values(mamba_output out, int64_t first, int32_t channel, int32_t count,
                                const float *restrict values) {
  switch (out.type) {
  case MAMBA_I8: {
    int8_t *restrict data = (int8_t *)out.data + first;
    if (out.inv_scales) {
      const float *restrict inv_scales = out.inv_scales + channel;
      for (int32_t i = 0; i < count; ++i)
        data[i] = mambaQuantize(values[i], inv_scales[i]);
    } else {
      for (int32_t i = 0; i < count; ++i)
        data[i] = mambaQuantize(values[i], out.inv_scale);
    }
    break;
  }
  case MAMBA_F16: {
    uint16_t *restrict data = (uint16_t *)out.data + first;
    for (int32_t i = 0; i < count; ++i)
      data[i] = mambaFloatToHalf(values[i]);
    break;
  }
  case MAMBA_BF16: {
    uint16_t *restrict data = (uint16_t *)out.data + first;
    for (int32_t i = 0; i < count; ++i)
      data[i] = mambaFloatToBfloat(values[i]);
    break;
  }
  case MAMBA_F32:
    memcpy((float *)out.data + first, values, (size_t)count * sizeof(float));
    break;
  }
}

/* max(amax, max_i |values[i]|). A NaN is passed over: no comparison with it is true. */
static inline float absmax_of(const float *restrict values, int32_t count, float amax) {
  float lane[LANES];
  for (int l = 0; l < LANES; ++l)
    lane[l] = amax;
  int32_t i = 0;
  for (; i + LANES <= count; i += LANES)
    for (int l = 0; l < LANES; ++l) {
      const float magnitude = fabsf(values[i + l]);
      lane[l] = magnitude > lane[l] ? magnitude : lane[l];
    }
  for (int l = 0; i + l < count; ++l) {
    const float magnitude = fabsf(values[i + l]);
    lane[l] = magnitude > lane[l] ? magnitude : lane[l];
  }
  for (int l = 0; l < LANES; ++l)
    amax = lane[l] > amax ? lane[l] : amax;
  return amax;
}

/* The output of one row whose scale is found at run time from its absolute maximum; the scale goes to
 * *row_scale. */
static inline mamba_output row_output(mamba_output out, float amax, float *row_scale) {
  *row_scale = mambaScaleOfAbsmax(amax);
  out.inv_scale = mambaInverseScale(*row_scale);
  out.inv_scales = NULL;
  return out;
}

/* The end of the contract's sum: p[i] += p[i + 8], then + 4, + 2, + 1. */
static inline float fold_lanes(float *p) {
  for (int width = LANES / 2; width > 0; width /= 2)
    for (int l = 0; l < width; ++l)
      p[l] += p[l + width];
  return p[0];
}

#endif
