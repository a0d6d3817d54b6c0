#include "protobuf.h"

#include <string.h>

enum { VARINT = 0, FIXED64 = 1, LENGTH = 2, FIXED32 = 5 };

bool protoVarint(ProtoBytes *list, uint64_t *integer, bool *damaged) {
  uint64_t value = 0;
  for (size_t i = 0; i < list->size && i < 10; i++) {
    value |= (uint64_t)(list->data[i] & 0x7f) << (7 * i);
    if (!(list->data[i] & 0x80)) {
      *integer = value;
      list->data += i + 1;
      list->size -= i + 1;
      return true;
    }
  }
  *damaged = *damaged || list->size > 0;
  return false;
}

static bool takeFixed(ProtoBytes *message, size_t size, uint64_t *integer, bool *damaged) {
  if (message->size < size) {
    *damaged = true;
    return false;
  }
  *integer = 0;
  for (size_t i = 0; i < size; i++)
    *integer |= (uint64_t)message->data[i] << (8 * i);
  message->data += size;
  message->size -= size;
  return true;
}

bool protoNext(ProtoBytes *message, ProtoField *field, bool *damaged) {
  uint64_t key, length;
  *field = (ProtoField){0, 0, {NULL, 0}};
  if (!protoVarint(message, &key, damaged))
    return false;
  field->number = (uint32_t)(key >> 3);
  switch (key & 7) {
  case FIXED64:
    return takeFixed(message, 8, &field->integer, damaged);
  case FIXED32:
    return takeFixed(message, 4, &field->integer, damaged);
  case VARINT:
    if (protoVarint(message, &field->integer, damaged))
      return true;
    break;
  case LENGTH:
    if (protoVarint(message, &length, damaged) && length <= message->size) {
      field->bytes = (ProtoBytes){message->data, (size_t)length};
      message->data += length;
      message->size -= (size_t)length;
      return true;
    }
    break;
  default: /* groups are of before proto3 */
    break;
  }
  *damaged = true;
  return false;
}

bool protoIsWhole(ProtoBytes message) {
  ProtoField field;
  bool damaged = false;
  while (protoNext(&message, &field, &damaged))
    ;
  return !damaged;
}

ProtoField protoFind(ProtoBytes message, uint32_t number) {
  ProtoField field;
  bool damaged = false;
  while (protoNext(&message, &field, &damaged))
    if (field.number == number)
      return field;
  return (ProtoField){number, 0, {NULL, 0}};
}

bool protoIs(ProtoBytes text, const char *other) {
  return text.data && text.size == strlen(other) && memcmp(text.data, other, text.size) == 0;
}
