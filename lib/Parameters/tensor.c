#include "mamba/tensor.h"
#include "mamba/half.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tensors are little-endian; reading them on this host needs a byte swap here"
#endif

enum { Q8_BLOCK = 32 };

static const struct {
  const char *name;
  size_t size;
} dtypes[MAMBA_DTYPE_COUNT] = {
#define MAMBA_DTYPE_ROW(name, size) {#name, size},
    MAMBA_DTYPES(MAMBA_DTYPE_ROW)
#undef MAMBA_DTYPE_ROW
        [MAMBA_DTYPE_Q8_0] = {"Q8_0", sizeof(uint16_t) + Q8_BLOCK},
};

/* Elements of what mambaDtypeGetSize measures. */
static size_t blockOf(MambaDtype dtype) {
  return dtype == MAMBA_DTYPE_Q8_0 ? Q8_BLOCK : 1;
}

const char *mambaDtypeGetName(MambaDtype dtype) {
  return dtypes[dtype].name;
}

size_t mambaDtypeGetSize(MambaDtype dtype) {
  return dtypes[dtype].size;
}

bool mambaDtypeFromName(const char *name, MambaDtype *dtype) {
  for (int i = 0; i < MAMBA_DTYPE_Q8_0; i++) {
    if (strcmp(name, dtypes[i].name) == 0) {
      *dtype = (MambaDtype)i;
      return true;
    }
  }
  return false;
}

bool mambaShapeGetBytes(MambaDtype dtype, int rank, const int64_t *shape, size_t *bytes) {
  const uint64_t limit = INT64_MAX < SIZE_MAX ? INT64_MAX : SIZE_MAX;
  uint64_t product = mambaDtypeGetSize(dtype);
  for (int i = 0; i < rank; i++) {
    if (shape[i] < 0 || (shape[i] > 0 && product > limit / (uint64_t)shape[i]))
      return false;
    product *= (uint64_t)shape[i];
  }
  const uint64_t block = blockOf(dtype);
  if (block > 1 && (rank < 1 || shape[rank - 1] % (int64_t)block))
    return false;
  *bytes = (size_t)(product / block);
  return true;
}

size_t mambaTensorGetCount(const MambaTensorView *tensor) {
  return tensor->bytes / mambaDtypeGetSize(tensor->dtype) * blockOf(tensor->dtype);
}

const char *mambaShapeFormat(int rank, const int64_t *shape, char text[MAMBA_SHAPE_TEXT]) {
  size_t used = (size_t)snprintf(text, MAMBA_SHAPE_TEXT, "[");
  for (int i = 0; i < rank; i++)
    used += (size_t)snprintf(text + used, MAMBA_SHAPE_TEXT - used, "%s%" PRId64, i ? ", " : "", shape[i]);
  snprintf(text + used, MAMBA_SHAPE_TEXT - used, "]");
  return text;
}

static MambaStatus checkRange(const MambaTensorView *tensor, size_t first, size_t count, MambaError *error) {
  const size_t total = mambaTensorGetCount(tensor);
  if (first <= total && count <= total - first)
    return MAMBA_OK;
  return mambaFail(error, MAMBA_INVALID,
                   "tensor '%s': expected a range within its %zu elements, found %zu + %zu", tensor->name,
                   total, first, count);
}

static MambaStatus failDtype(const MambaTensorView *tensor, const char *expected, MambaError *error) {
  return mambaFail(error, MAMBA_UNSUPPORTED, "tensor '%s': expected %s, found %s", tensor->name, expected,
                   mambaDtypeGetName(tensor->dtype));
}

/* Exact: the product of 8 and 11 significant bits. */
static void readQ8(const unsigned char *data, size_t first, size_t count, float *out) {
  for (size_t i = first; i < first + count;) {
    const unsigned char *block = data + i / Q8_BLOCK * (sizeof(uint16_t) + Q8_BLOCK);
    const size_t begin = i % Q8_BLOCK, rest = first + count - i;
    const size_t n = rest < Q8_BLOCK - begin ? rest : Q8_BLOCK - begin;
    uint16_t bits;
    memcpy(&bits, block, sizeof bits);
    const float scale = mambaHalfToFloat(bits);
    for (size_t j = 0; j < n; j++)
      *out++ = scale * (float)(int8_t)block[sizeof bits + begin + j];
    i += n;
  }
}

MambaStatus mambaTensorReadF32(const MambaTensorView *tensor, size_t first, size_t count, float *out,
                               MambaError *error) {
  const MambaStatus status = checkRange(tensor, first, count, error);
  if (status != MAMBA_OK || count == 0)
    return status;
  const unsigned char *source =
      (const unsigned char *)tensor->data + first / blockOf(tensor->dtype) * mambaDtypeGetSize(tensor->dtype);
  uint16_t bits;
  switch (tensor->dtype) {
  case MAMBA_DTYPE_F16:
    for (size_t i = 0; i < count; i++) {
      memcpy(&bits, source + 2 * i, sizeof bits);
      out[i] = mambaHalfToFloat(bits);
    }
    return MAMBA_OK;
  case MAMBA_DTYPE_BF16:
    for (size_t i = 0; i < count; i++) {
      memcpy(&bits, source + 2 * i, sizeof bits);
      out[i] = mambaBfloatToFloat(bits);
    }
    return MAMBA_OK;
  case MAMBA_DTYPE_F32:
    memcpy(out, source, count * sizeof *out);
    return MAMBA_OK;
  case MAMBA_DTYPE_Q8_0:
    readQ8(tensor->data, first, count, out);
    return MAMBA_OK;
  default:
    return failDtype(tensor, "F16, BF16, F32 or Q8_0", error);
  }
}

MambaStatus mambaTensorReadF64(const MambaTensorView *tensor, size_t first, size_t count, double *out,
                               MambaError *error) {
  MambaStatus status = checkRange(tensor, first, count, error);
  if (status != MAMBA_OK || count == 0)
    return status;
  switch (tensor->dtype) {
  case MAMBA_DTYPE_F16:
  case MAMBA_DTYPE_BF16:
  case MAMBA_DTYPE_F32:
  case MAMBA_DTYPE_Q8_0:
    for (size_t done = 0; done < count && status == MAMBA_OK;) {
      float block[256];
      const size_t n = count - done < 256 ? count - done : 256;
      status = mambaTensorReadF32(tensor, first + done, n, block, error);
      for (size_t i = 0; i < n && status == MAMBA_OK; i++)
        out[done + i] = block[i];
      done += n;
    }
    return status;
  case MAMBA_DTYPE_F64:
    memcpy(out, (const unsigned char *)tensor->data + first * sizeof *out, count * sizeof *out);
    return MAMBA_OK;
  default:
    return failDtype(tensor, "F16, BF16, F32, F64 or Q8_0", error);
  }
}
