/* Symmetric int8 quantization of f32 arrays by the contract's formulas, bit for bit what the kernels do:
 * scale = absmax / 127 (0 where that is below 2^-100), q = clamp(rne(x * (1 / scale)), -127, 127), all in
 * f32. A NaN does not count in an absolute maximum, and is quantized to 127. */
#ifndef MAMBA_QUANTIZER_H
#define MAMBA_QUANTIZER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* max |values[i]|, 0 for none. */
float mambaGetAbsmax(const float *values, size_t count);

/* The scale of values whose absolute maximum this is. */
float mambaGetScale(float absmax);

/* 1 / scale, or 0 for a scale below 2^-100. */
float mambaGetInverseScale(float scale);

/* scales[r] is the scale of row r of values [rows, columns]. */
void mambaGetRowScales(const float *values, int64_t rows, int64_t columns, float *scales);

/* quantized[i] = clamp(rne(values[i] * (1 / scale)), -127, 127); zeros for a scale below 2^-100. */
void mambaQuantizeValues(const float *values, size_t count, float scale, int8_t *quantized);

/* The same with one scale per row: scales [rows]. */
void mambaQuantizeRows(const float *values, int64_t rows, int64_t columns, const float *scales,
                       int8_t *quantized);

#ifdef __cplusplus
}
#endif
#endif
