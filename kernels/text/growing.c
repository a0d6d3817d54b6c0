#include "tokenizer_internal.h"

#include <stdlib.h>
#include <string.h>

/* Makes room for `more` elements, at least doubling, so that appending takes linear time. */
static bool reserve(void **data, size_t *capacity, size_t size, size_t more, size_t elementSize) {
  const size_t limit = SIZE_MAX / 2 / elementSize;
  if (more <= *capacity - size)
    return true;
  if (more > limit - size)
    return false;
  size_t wanted = size + more;
  if (wanted < 2 * *capacity)
    wanted = 2 * *capacity;
  if (wanted < 64)
    wanted = 64;
  if (wanted > limit)
    wanted = limit;
  void *grown = realloc(*data, wanted * elementSize);
  if (!grown)
    return false;
  *data = grown;
  *capacity = wanted;
  return true;
}

bool mambaTextBytesAppend(MambaTextBytes *bytes, const void *data, size_t size) {
  void *grown = bytes->data;
  if (!reserve(&grown, &bytes->capacity, bytes->size, size, 1))
    return false;
  bytes->data = grown;
  if (size)
    memcpy(bytes->data + bytes->size, data, size);
  bytes->size += size;
  return true;
}

bool mambaTextIdsReserve(MambaTextIds *ids, size_t more) {
  void *grown = ids->data;
  if (!reserve(&grown, &ids->capacity, ids->size, more, sizeof *ids->data))
    return false;
  ids->data = grown;
  return true;
}

bool mambaTextIdsAppend(MambaTextIds *ids, int32_t id) {
  if (!mambaTextIdsReserve(ids, 1))
    return false;
  ids->data[ids->size++] = id;
  return true;
}
