/* A named, read-only tensor in memory that someone else owns. */
#ifndef MAMBA_TENSOR_H
#define MAMBA_TENSOR_H

#include "mamba/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The element types of the safetensors format with a whole number of bytes, and their sizes. */
#define MAMBA_DTYPES(X)                                                                                      \
  X(BOOL, 1)                                                                                                 \
  X(U8, 1)                                                                                                   \
  X(I8, 1)                                                                                                   \
  X(F8_E4M3, 1)                                                                                              \
  X(F8_E5M2, 1)                                                                                              \
  X(F8_E8M0, 1)                                                                                              \
  X(F8_E4M3FNUZ, 1)                                                                                          \
  X(F8_E5M2FNUZ, 1)                                                                                          \
  X(U16, 2)                                                                                                  \
  X(I16, 2)                                                                                                  \
  X(F16, 2)                                                                                                  \
  X(BF16, 2)                                                                                                 \
  X(U32, 4)                                                                                                  \
  X(I32, 4)                                                                                                  \
  X(F32, 4)                                                                                                  \
  X(U64, 8)                                                                                                  \
  X(I64, 8)                                                                                                  \
  X(F64, 8)                                                                                                  \
  X(C64, 8)

typedef enum MambaDtype {
#define MAMBA_DTYPE_ENUM(name, size) MAMBA_DTYPE_##name,
  MAMBA_DTYPES(MAMBA_DTYPE_ENUM)
#undef MAMBA_DTYPE_ENUM
      MAMBA_DTYPE_Q8_0, /* GGUF's: blocks of 32 along the last dimension, an F16 scale and 32 integers of 8 bits */
  MAMBA_DTYPE_COUNT
} MambaDtype;

/* The format's spelling, such as "BF16". Borrowed, never NULL for a MambaDtype. */
const char *mambaDtypeGetName(MambaDtype dtype);
/* Bytes of one element; of one block for Q8_0. */
size_t mambaDtypeGetSize(MambaDtype dtype);
/* The safetensors type of a name; false (and *dtype untouched) for any other text. */
bool mambaDtypeFromName(const char *name, MambaDtype *dtype);

enum { MAMBA_MAX_RANK = 8 };

/* Row-major, packed, little-endian. `data` has any alignment: read it with the functions below or
 * with memcpy, never through a pointer to the element type. It is NULL or valid for `bytes` bytes,
 * as long as the file or checkpoint that gave the view is open; so is `name`. */
typedef struct MambaTensorView {
  const char *name; /* UTF-8 */
  MambaDtype dtype;
  int rank;
  int64_t shape[MAMBA_MAX_RANK]; /* each >= 0; the product of the first `rank` is the count */
  size_t bytes;
  const void *data;
  bool resident; /* in memory of its own: there is no file to read it from again */
} MambaTensorView;

/* The bytes of a shape's elements (one element for rank 0). False when a dimension is negative, the number of
 * bytes does not fit int64_t, or a row of Q8_0 is no whole number of blocks. */
bool mambaShapeGetBytes(MambaDtype dtype, int rank, const int64_t *shape, size_t *bytes);
/* Number of elements. */
size_t mambaTensorGetCount(const MambaTensorView *tensor);

/* Writes "[2, 3]" and returns `text`. */
enum { MAMBA_SHAPE_TEXT = MAMBA_MAX_RANK * 22 + 3 };
const char *mambaShapeFormat(int rank, const int64_t *shape, char text[MAMBA_SHAPE_TEXT]);

/* Reads elements [first, first + count) in row-major order, exactly: F16, BF16, F32 and Q8_0 as float.
 * MAMBA_UNSUPPORTED for other types (F64 would need rounding), MAMBA_INVALID beyond the end. */
MAMBA_MUST_CHECK MambaStatus mambaTensorReadF32(const MambaTensorView *tensor, size_t first, size_t count,
                                                float *out, MambaError *error);
/* The same as double, for F64 too. */
MAMBA_MUST_CHECK MambaStatus mambaTensorReadF64(const MambaTensorView *tensor, size_t first, size_t count,
                                                double *out, MambaError *error);

#ifdef __cplusplus
}
#endif
#endif
