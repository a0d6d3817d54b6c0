/* Reader of GGUF, llama.cpp's model files (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md),
 * versions 2 and 3, little-endian:
 *
 *   "GGUF", version, number of tensors, number of values
 *   values    key, type, data; among them general.alignment
 *   tensors   name, dimensions (the fastest first), type, offset in the data
 *   data      from the next multiple of the alignment; every tensor begins at such a multiple, right after
 * the one before it
 *
 * Everything that breaks a rule is refused with MAMBA_INVALID and a message that names the file and the key
 * or tensor; well-formed files with other tensor types than F32, F16, BF16 and Q8_0, nested arrays,
 * big-endian and split files with MAMBA_UNSUPPORTED. */
#ifndef MAMBA_GGUF_H
#define MAMBA_GGUF_H

#include "mamba/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct MambaGguf MambaGguf;

/* Whether a file begins like one, or has the name of one. False when it cannot be read. */
bool mambaGgufIsFile(const char *path);

/* Maps and checks a file. The caller closes it. */
MAMBA_MUST_CHECK MambaStatus mambaGgufOpen(const char *path, MambaGguf **file, MambaError *error);
/* Checks a file in memory, which the caller keeps until after the close; `label` stands for its path. */
MAMBA_MUST_CHECK MambaStatus mambaGgufParse(const void *buffer, size_t size, const char *label,
                                            MambaGguf **file, MambaError *error);
/* Ends the views. NULL is allowed. */
void mambaGgufClose(MambaGguf *file);

/* The file's tensors in the order of the data; shapes are row-major (the slowest dimension first). */
size_t mambaGgufGetCount(const MambaGguf *file);
const MambaTensorView *mambaGgufGet(const MambaGguf *file, size_t index);
/* NULL when there is none of that name. */
const MambaTensorView *mambaGgufFind(const MambaGguf *file, const char *name);

/* Values. The getters fail, naming file and key, where a value is absent, of another type or out of range. */
bool mambaGgufHas(const MambaGguf *file, const char *key);
/* Of any integer type. */
MAMBA_MUST_CHECK MambaStatus mambaGgufGetInteger(const MambaGguf *file, const char *key, int64_t low,
                                                 int64_t high, int64_t *value, MambaError *error);
MAMBA_MUST_CHECK MambaStatus mambaGgufGetFloat(const MambaGguf *file, const char *key, double *value,
                                               MambaError *error);
MAMBA_MUST_CHECK MambaStatus mambaGgufGetBool(const MambaGguf *file, const char *key, bool *value,
                                              MambaError *error);

/* Bytes in the file, without a terminator. */
typedef struct MambaGgufText {
  const char *data;
  size_t size;
} MambaGgufText;

MAMBA_MUST_CHECK MambaStatus mambaGgufGetText(const MambaGguf *file, const char *key, MambaGgufText *text,
                                              MambaError *error);

/* An array that is read from its front: `left` elements at `next`. */
typedef struct MambaGgufArray {
  size_t left;
  const unsigned char *next;
} MambaGgufArray;

/* Arrays of texts and of int32. The functions that take an element need left > 0. */
MAMBA_MUST_CHECK MambaStatus mambaGgufGetTexts(const MambaGguf *file, const char *key, MambaGgufArray *array,
                                               MambaError *error);
MambaGgufText mambaGgufNextText(MambaGgufArray *array);
MAMBA_MUST_CHECK MambaStatus mambaGgufGetInt32s(const MambaGguf *file, const char *key, MambaGgufArray *array,
                                                MambaError *error);
int32_t mambaGgufNextInt32(MambaGgufArray *array);

/* The path or label, for messages. */
const char *mambaGgufGetLabel(const MambaGguf *file);

#ifdef __cplusplus
}
#endif
#endif
