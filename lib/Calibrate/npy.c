#include "npy.h"

#include <string.h>

/* What is left of the header: a Python dictionary such as
 * {'descr': '<i8', 'fortran_order': False, 'shape': (128, 512), } */
typedef struct Header {
  const char *at, *end;
} Header;

static void skipSpaces(Header *h) {
  while (h->at < h->end && (*h->at == ' ' || *h->at == '\n'))
    h->at++;
}

/* Takes `text` after spaces when it is next. */
static bool accept(Header *h, const char *text) {
  const size_t length = strlen(text);
  skipSpaces(h);
  if ((size_t)(h->end - h->at) < length || memcmp(h->at, text, length) != 0)
    return false;
  h->at += length;
  return true;
}

static bool acceptSize(Header *h, int64_t *value) {
  skipSpaces(h);
  const char *start = h->at;
  int64_t n = 0;
  for (; h->at < h->end && *h->at >= '0' && *h->at <= '9'; h->at++) {
    if (n > (INT64_MAX - 9) / 10)
      return false;
    n = 10 * n + (*h->at - '0');
  }
  *value = n;
  return h->at > start;
}

/* "(3, 4)", "(3,)" or "()". */
static bool acceptShape(Header *h, MambaTensorView *view) {
  if (!accept(h, "("))
    return false;
  view->rank = 0;
  while (!accept(h, ")")) {
    if (view->rank == MAMBA_MAX_RANK || !acceptSize(h, &view->shape[view->rank]))
      return false;
    view->rank++;
    if (!accept(h, ","))
      return view->rank > 1 && accept(h, ")");
  }
  return true;
}

static bool acceptHeader(Header *h, MambaTensorView *view) {
  bool has_type = false, has_order = false, has_shape = false;
  if (!accept(h, "{"))
    return false;
  while (!accept(h, "}")) {
    if (!has_type && accept(h, "'descr':")) {
      const bool is_i4 = accept(h, "'<i4'");
      has_type = is_i4 || accept(h, "'<i8'");
      view->dtype = is_i4 ? MAMBA_DTYPE_I32 : MAMBA_DTYPE_I64;
      if (!has_type)
        return false;
    } else if (!has_order && accept(h, "'fortran_order':")) {
      if (!(has_order = accept(h, "False")))
        return false;
    } else if (!has_shape && accept(h, "'shape':")) {
      if (!(has_shape = acceptShape(h, view)))
        return false;
    } else {
      return false;
    }
    if (!accept(h, ","))
      return accept(h, "}") && has_type && has_order && has_shape;
  }
  return has_type && has_order && has_shape;
}

MambaStatus npyParse(const void *data, size_t size, const char *label, MambaTensorView *view,
                     MambaError *error) {
  const unsigned char *bytes = data;
  if (size < 10 || memcmp(bytes, "\x93NUMPY", 6) != 0)
    return mambaFail(error, MAMBA_INVALID, "%s: expected a .npy file, found no '\\x93NUMPY' at its start",
                     label);
  const int version = bytes[6];
  if (version < 1 || version > 3 || bytes[7] != 0)
    return mambaFail(error, MAMBA_UNSUPPORTED, "%s: expected .npy version 1.0, 2.0 or 3.0, found %d.%d",
                     label, version, bytes[7]);
  const size_t prefix = version == 1 ? 10 : 12;
  size_t length = 0;
  for (size_t i = prefix; i > 8 && prefix <= size; i--)
    length = length << 8 | bytes[i - 1];
  if (size < prefix || length > size - prefix)
    return mambaFail(error, MAMBA_INVALID, "%s: expected a header of %zu bytes, found the end of the file",
                     label, length);

  MambaTensorView result = {.name = label};
  Header header = {(const char *)bytes + prefix, (const char *)bytes + prefix + length};
  if (!acceptHeader(&header, &result) || (skipSpaces(&header), header.at != header.end))
    return mambaFail(error, MAMBA_UNSUPPORTED,
                     "%s: expected an array of '<i4' or '<i8' in C order with a shape, found the header %.*s",
                     label, (int)(length < 200 ? length : 200), (const char *)bytes + prefix);
  const size_t rest = size - prefix - length;
  if (!mambaShapeGetBytes(result.dtype, result.rank, result.shape, &result.bytes) || result.bytes != rest) {
    char shape[MAMBA_SHAPE_TEXT];
    return mambaFail(error, MAMBA_INVALID, "%s: expected the %s values of %s, found %zu bytes", label,
                     mambaDtypeGetName(result.dtype), mambaShapeFormat(result.rank, result.shape, shape),
                     rest);
  }
  result.data = bytes + prefix + length;
  *view = result;
  return MAMBA_OK;
}
