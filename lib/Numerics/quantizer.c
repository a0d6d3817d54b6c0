#include "mamba/quantizer.h"

#include "mamba_math.h"

float mambaGetAbsmax(const float *values, size_t count) {
  float absmax = 0;
  for (size_t i = 0; i < count; ++i) {
    const float magnitude = fabsf(values[i]);
    absmax = magnitude > absmax ? magnitude : absmax;
  }
  return absmax;
}

float mambaGetScale(float absmax) {
  return mambaScaleOfAbsmax(absmax);
}

float mambaGetInverseScale(float scale) {
  return mambaInverseScale(scale);
}

void mambaGetRowScales(const float *values, int64_t rows, int64_t columns, float *scales) {
  for (int64_t row = 0; row < rows; ++row)
    scales[row] = mambaGetScale(mambaGetAbsmax(values + row * columns, (size_t)columns));
}

void mambaQuantizeValues(const float *values, size_t count, float scale, int8_t *quantized) {
  const float inverse = mambaInverseScale(scale);
  for (size_t i = 0; i < count; ++i)
    quantized[i] = mambaQuantize(values[i], inverse);
}

void mambaQuantizeRows(const float *values, int64_t rows, int64_t columns, const float *scales,
                       int8_t *quantized) {
  for (int64_t row = 0; row < rows; ++row)
    mambaQuantizeValues(values + row * columns, (size_t)columns, scales[row], quantized + row * columns);
}
