/* The wire format of protocol buffers (https://protobuf.dev/programming-guides/encoding/): a message is a row
 * of fields, each a number, a wire type and a value. Enough to read ONNX; nothing is copied. */
#ifndef MAMBA_LIB_GRAPH_PROTOBUF_H
#define MAMBA_LIB_GRAPH_PROTOBUF_H

#include "mamba/status.h"

typedef struct ProtoBytes {
  const unsigned char *data; /* NULL for a field that is absent */
  size_t size;
} ProtoBytes;

typedef struct ProtoField {
  uint32_t number;
  uint64_t integer; /* of a varint or a fixed number; 0 for bytes */
  ProtoBytes bytes; /* of a message, text or packed list; data is NULL for a number */
} ProtoField;

/* Takes the first field off a message. False at its end, or with *damaged set where it breaks the format. */
bool protoNext(ProtoBytes *message, ProtoField *field, bool *damaged);

/* Whether all fields of a message follow the format, those of messages within it aside. */
bool protoIsWhole(ProtoBytes message);

/* Takes the first varint off a packed list; the same way. */
bool protoVarint(ProtoBytes *list, uint64_t *integer, bool *damaged);

/* The first field of that number; its bytes' data is NULL, and its integer 0, where there is none. */
ProtoField protoFind(ProtoBytes message, uint32_t number);

bool protoIs(ProtoBytes text, const char *other);

#endif
