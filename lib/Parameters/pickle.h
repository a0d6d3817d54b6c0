/* A reader of pickles that makes values and runs nothing. */
#ifndef MAMBA_LIB_PARAMETERS_PICKLE_H
#define MAMBA_LIB_PARAMETERS_PICKLE_H

#include "mamba/status.h"

typedef enum PickleKind {
  PICKLE_MARK, /* on the stack only */
  PICKLE_NONE,
  PICKLE_INTEGER, /* booleans, too */
  PICKLE_FLOAT,
  PICKLE_TEXT,
  PICKLE_GLOBAL,     /* "module name" as text */
  PICKLE_TUPLE,      /* lists, too */
  PICKLE_DICT,       /* items are key, value, key, value, ... in the order of their setting */
  PICKLE_CALL,       /* items[0] was called with the tuple items[1] */
  PICKLE_PERSISTENT, /* items[0] identifies it */
} PickleKind;

typedef struct PickleValue PickleValue;

struct PickleValue {
  PickleKind kind;
  int64_t integer;
  const char *text; /* in the pickle, textSize bytes; of a global, its module, followed by the name */
  size_t textSize, moduleSize;
  PickleValue **items;
  size_t count, capacity;
};

typedef struct Pickle Pickle;

/* Reads a pickle of protocol 2, torch.save's, in memory, which the caller keeps. Opcodes other than those of
 * plain data, globals, calls and persistent ids are refused; a state that is set on an object (BUILD) is
 * dropped. Memory is bounded by a limit on the number of values. On success the caller destroys *pickle,
 * which owns *root and all in it. */
MAMBA_MUST_CHECK MambaStatus mambaPickleRead(const void *data, size_t size, const char *label,
                                             Pickle **pickle, const PickleValue **root, MambaError *error);
void mambaPickleDestroy(Pickle *pickle);

/* Whether a global is `module`.`name`. */
bool mambaPickleIsGlobal(const PickleValue *value, const char *module, const char *name);

#endif
