/* The opcodes are those of CPython's Lib/pickletools.py. */
#include "pickle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  BLOCK = 256,          /* values that are allocated together */
  MAX_PUSHES = 1 << 19, /* a tensor takes some 25: what exceeds it is there to take memory */
};

typedef struct Block {
  struct Block *next;
  PickleValue values[BLOCK];
} Block;

struct Pickle {
  Block *blocks;
  size_t used; /* of the first block */
  PickleValue **stack, **memo;
  size_t depth, stackCapacity, memoCount, memoCapacity, pushes;
};

typedef struct Reader {
  Pickle *pickle;
  const unsigned char *begin, *next, *end;
  const char *label;
  MambaError *error;
} Reader;

static MambaStatus noMemory(const Reader *r) {
  return mambaFail(r->error, MAMBA_NO_MEMORY, "%s: out of memory", r->label);
}

static MambaStatus invalid(const Reader *r, const char *what) {
  return mambaFail(r->error, MAMBA_INVALID, "%s: the pickle is damaged at offset %zu: %s", r->label,
                   (size_t)(r->next - r->begin), what);
}

/* ---- Values ------------------------------------------------------------------------------------- */

static bool grow(PickleValue ***items, size_t count, size_t *capacity) {
  if (count < *capacity)
    return true;
  const size_t wanted = *capacity ? 2 * *capacity : 8;
  PickleValue **larger = realloc(*items, wanted * sizeof *larger);
  if (!larger)
    return false;
  *items = larger;
  *capacity = wanted;
  return true;
}

static MambaStatus append(const Reader *r, PickleValue *list, PickleValue *item) {
  if (!grow(&list->items, list->count, &list->capacity))
    return noMemory(r);
  list->items[list->count++] = item;
  return MAMBA_OK;
}

static MambaStatus push(const Reader *r, PickleValue *value) {
  Pickle *p = r->pickle;
  if (++p->pushes > MAX_PUSHES)
    return mambaFail(r->error, MAMBA_UNSUPPORTED, "%s: expected a pickle of at most %d values, found more",
                     r->label, MAX_PUSHES);
  if (!grow(&p->stack, p->depth, &p->stackCapacity))
    return noMemory(r);
  p->stack[p->depth++] = value;
  return MAMBA_OK;
}

/* A new value on the stack. */
static MambaStatus make(const Reader *r, PickleKind kind, PickleValue **value) {
  Pickle *p = r->pickle;
  if (!p->blocks || p->used == BLOCK) {
    Block *block = calloc(1, sizeof *block);
    if (!block)
      return noMemory(r);
    block->next = p->blocks;
    p->blocks = block;
    p->used = 0;
  }
  *value = &p->blocks->values[p->used++];
  (*value)->kind = kind;
  return push(r, *value);
}

static PickleValue *pop(const Reader *r) {
  Pickle *p = r->pickle;
  return p->depth && p->stack[p->depth - 1]->kind != PICKLE_MARK ? p->stack[--p->depth] : NULL;
}

static PickleValue *top(const Reader *r) {
  const Pickle *p = r->pickle;
  return p->depth && p->stack[p->depth - 1]->kind != PICKLE_MARK ? p->stack[p->depth - 1] : NULL;
}

/* The number of values above the last mark, which are then the caller's to take, and the mark goes. */
static bool popMark(const Reader *r, PickleValue ***values, size_t *count) {
  Pickle *p = r->pickle;
  size_t mark = p->depth;
  while (mark && p->stack[mark - 1]->kind != PICKLE_MARK)
    mark--;
  if (!mark)
    return false;
  *values = p->stack + mark;
  *count = p->depth - mark;
  p->depth = mark - 1;
  return true;
}

/* ---- Opcodes ------------------------------------------------------------------------------------ */

static MambaStatus take(Reader *r, size_t size, const unsigned char **bytes) {
  *bytes = r->next;
  if (size > (size_t)(r->end - r->next))
    return invalid(r, "it ends too early");
  r->next += size;
  return MAMBA_OK;
}

static MambaStatus takeNumber(Reader *r, size_t size, uint64_t *value) {
  const unsigned char *bytes;
  const MambaStatus status = take(r, size, &bytes);
  *value = 0;
  for (size_t i = 0; i < size && status == MAMBA_OK; i++)
    *value |= (uint64_t)bytes[i] << (8 * i);
  return status;
}

/* A little-endian two's complement number of `size` bytes. */
static MambaStatus readInteger(Reader *r, size_t size, bool is_signed) {
  PickleValue *value;
  uint64_t bits;
  if (size > 8)
    return invalid(r, "an integer of more than 64 bits");
  MambaStatus status = takeNumber(r, size, &bits);
  if (status == MAMBA_OK)
    status = make(r, PICKLE_INTEGER, &value);
  if (status != MAMBA_OK)
    return status;
  if (is_signed && size && size < 8 && bits >> (8 * size - 1))
    bits |= ~UINT64_C(0) << (8 * size);
  memcpy(&value->integer, &bits, sizeof bits);
  return MAMBA_OK;
}

static MambaStatus readText(Reader *r) {
  PickleValue *value;
  const unsigned char *bytes;
  uint64_t size;
  MambaStatus status = takeNumber(r, 4, &size);
  if (status == MAMBA_OK)
    status = take(r, (size_t)size, &bytes);
  if (status == MAMBA_OK)
    status = make(r, PICKLE_TEXT, &value);
  if (status != MAMBA_OK)
    return status;
  value->text = (const char *)bytes;
  value->textSize = (size_t)size;
  return MAMBA_OK;
}

/* "module\nname\n". */
static MambaStatus readGlobal(Reader *r) {
  PickleValue *value;
  const size_t left = (size_t)(r->end - r->next);
  const unsigned char *first = memchr(r->next, '\n', left);
  const unsigned char *second = first ? memchr(first + 1, '\n', (size_t)(r->end - first - 1)) : NULL;
  if (!second)
    return invalid(r, "a global without an end");
  const MambaStatus status = make(r, PICKLE_GLOBAL, &value);
  if (status != MAMBA_OK)
    return status;
  value->text = (const char *)r->next;
  value->moduleSize = (size_t)(first - r->next);
  value->textSize = (size_t)(second - r->next);
  r->next = second + 1;
  return MAMBA_OK;
}

static MambaStatus makeTuple(const Reader *r, size_t count) {
  PickleValue *parts[3], *tuple;
  for (size_t i = count; i-- > 0;)
    if (!(parts[i] = pop(r)))
      return invalid(r, "a tuple of more than there is");
  MambaStatus status = make(r, PICKLE_TUPLE, &tuple);
  for (size_t i = 0; i < count && status == MAMBA_OK; i++)
    status = append(r, tuple, parts[i]);
  return status;
}

/* What is above the mark goes into a new tuple or, with `into`, into the list or dictionary below it. */
static MambaStatus collect(const Reader *r, bool into, PickleKind kind) {
  PickleValue **values, *list;
  size_t count;
  if (!popMark(r, &values, &count))
    return invalid(r, "no mark");
  /* Making a value writes to the stack where the mark was, below `values`. */
  MambaStatus status = into ? MAMBA_OK : make(r, kind, &list);
  if (into && (!(list = top(r)) || list->kind != kind || (kind == PICKLE_DICT && count % 2)))
    return invalid(r, "items for what does not take them");
  for (size_t i = 0; i < count && status == MAMBA_OK; i++)
    status = append(r, list, values[i]);
  return status;
}

static MambaStatus setItem(const Reader *r) {
  PickleValue *value = pop(r), *key = value ? pop(r) : NULL, *dict = key ? top(r) : NULL;
  if (!dict || dict->kind != PICKLE_DICT)
    return invalid(r, "an item for what is no dictionary");
  const MambaStatus status = append(r, dict, key);
  return status == MAMBA_OK ? append(r, dict, value) : status;
}

/* An OrderedDict is called into being and then filled. */
static MambaStatus reduce(const Reader *r) {
  PickleValue *arguments = pop(r), *function = arguments ? pop(r) : NULL, *call;
  if (!function || function->kind != PICKLE_GLOBAL || arguments->kind != PICKLE_TUPLE)
    return invalid(r, "a call of what is no global");
  const bool dict = mambaPickleIsGlobal(function, "collections", "OrderedDict") && arguments->count == 0;
  MambaStatus status = make(r, dict ? PICKLE_DICT : PICKLE_CALL, &call);
  if (status == MAMBA_OK && !dict)
    status = append(r, call, function);
  if (status == MAMBA_OK && !dict)
    status = append(r, call, arguments);
  return status;
}

static MambaStatus persistent(const Reader *r) {
  PickleValue *id = pop(r), *value;
  if (!id)
    return invalid(r, "a persistent id of nothing");
  const MambaStatus status = make(r, PICKLE_PERSISTENT, &value);
  return status == MAMBA_OK ? append(r, value, id) : status;
}

/* Remembers the top as number `at`. Writers number without gaps. */
static MambaStatus remember(const Reader *r, uint64_t at) {
  Pickle *p = r->pickle;
  if (!top(r) || at > p->memoCount)
    return invalid(r, "a memo that skips numbers");
  if (at < p->memoCount) {
    p->memo[at] = top(r);
    return MAMBA_OK;
  }
  if (!grow(&p->memo, p->memoCount, &p->memoCapacity))
    return noMemory(r);
  p->memo[p->memoCount++] = top(r);
  return MAMBA_OK;
}

static MambaStatus recall(const Reader *r, uint64_t at) {
  if (at >= r->pickle->memoCount)
    return invalid(r, "a memo that was not set");
  return push(r, r->pickle->memo[at]);
}

/* `act` with the number that follows the opcode. */
static MambaStatus numbered(Reader *r, size_t size, MambaStatus (*act)(const Reader *r, uint64_t at)) {
  uint64_t at;
  const MambaStatus status = takeNumber(r, size, &at);
  return status == MAMBA_OK ? act(r, at) : status;
}

static MambaStatus makeInteger(const Reader *r, int64_t integer) {
  PickleValue *value;
  const MambaStatus status = make(r, PICKLE_INTEGER, &value);
  if (status == MAMBA_OK)
    value->integer = integer;
  return status;
}

static MambaStatus readLong(Reader *r) {
  uint64_t size;
  const MambaStatus status = takeNumber(r, 1, &size);
  return status == MAMBA_OK ? readInteger(r, (size_t)size, true) : status;
}

/* One opcode; *done after the last. */
static MambaStatus step(Reader *r, bool *done) {
  PickleValue *value;
  const unsigned char *bytes;
  MambaStatus status = take(r, 1, &bytes);
  if (status != MAMBA_OK)
    return status;
  switch (*bytes) {
  case '(':
    return make(r, PICKLE_MARK, &value);
  case ')': /* EMPTY_TUPLE */
  case ']': /* EMPTY_LIST */
    return make(r, PICKLE_TUPLE, &value);
  case '}':
    return make(r, PICKLE_DICT, &value);
  case 'N':
    return make(r, PICKLE_NONE, &value);
  case 0x88:
    return makeInteger(r, 1);
  case 0x89:
    return makeInteger(r, 0);
  case 'J':
    return readInteger(r, 4, true);
  case 'K':
    return readInteger(r, 1, false);
  case 'M':
    return readInteger(r, 2, false);
  case 0x8a:
    return readLong(r);
  case 'G': /* BINFLOAT */
    status = take(r, 8, &bytes);
    return status == MAMBA_OK ? make(r, PICKLE_FLOAT, &value) : status;
  case 'X': /* BINUNICODE */
    return readText(r);
  case 'c':
    return readGlobal(r);
  case 't':
    return collect(r, false, PICKLE_TUPLE);
  case 0x85:
  case 0x86:
  case 0x87:
    return makeTuple(r, (size_t)(*bytes - 0x84));
  case 'e': /* APPENDS */
    return collect(r, true, PICKLE_TUPLE);
  case 'a': { /* APPEND */
    PickleValue *item = pop(r), *list = item ? top(r) : NULL;
    return list && list->kind == PICKLE_TUPLE ? append(r, list, item)
                                              : invalid(r, "an item for what is no list");
  }
  case 'u': /* SETITEMS */
    return collect(r, true, PICKLE_DICT);
  case 's':
    return setItem(r);
  case 'R':
    return reduce(r);
  case 'Q': /* BINPERSID */
    return persistent(r);
  case 'b': /* BUILD: a dictionary's metadata */
    return pop(r) && top(r) ? MAMBA_OK : invalid(r, "a state for nothing");
  case 'q':
    return numbered(r, 1, remember);
  case 'r':
    return numbered(r, 4, remember);
  case 'h':
    return numbered(r, 1, recall);
  case 'j':
    return numbered(r, 4, recall);
  case '.':
    *done = true;
    return MAMBA_OK;
  default:
    return mambaFail(r->error, MAMBA_UNSUPPORTED,
                     "%s: pickle opcode 0x%02x at offset %zu is not one of a dictionary of tensors", r->label,
                     *bytes, (size_t)(r->next - r->begin) - 1);
  }
}

static MambaStatus readHeader(Reader *r) {
  const unsigned char *bytes;
  const MambaStatus status = take(r, 2, &bytes);
  if (status == MAMBA_OK && (bytes[0] != 0x80 || bytes[1] != 2))
    return mambaFail(r->error, MAMBA_UNSUPPORTED, "%s: expected a pickle of protocol 2", r->label);
  return status;
}

MambaStatus mambaPickleRead(const void *data, size_t size, const char *label, Pickle **pickle,
                            const PickleValue **root, MambaError *error) {
  const unsigned char *bytes = data;
  bool done = false;
  Reader reader = {calloc(1, sizeof(Pickle)), bytes, bytes, bytes + size, label, error};
  MambaStatus status = reader.pickle ? readHeader(&reader) : noMemory(&reader);
  while (status == MAMBA_OK && !done)
    status = step(&reader, &done);
  if (status == MAMBA_OK && reader.pickle->depth != 1)
    status = invalid(&reader, "it does not end with one value");
  if (status == MAMBA_OK && !top(&reader))
    status = invalid(&reader, "it ends with a mark");
  if (status == MAMBA_OK) {
    *root = top(&reader);
    *pickle = reader.pickle;
  } else {
    mambaPickleDestroy(reader.pickle);
  }
  return status;
}

void mambaPickleDestroy(Pickle *pickle) {
  if (!pickle)
    return;
  while (pickle->blocks) {
    Block *block = pickle->blocks;
    for (size_t i = 0; i < BLOCK; i++)
      free(block->values[i].items);
    pickle->blocks = block->next;
    free(block);
  }
  free(pickle->stack);
  free(pickle->memo);
  free(pickle);
}

bool mambaPickleIsGlobal(const PickleValue *value, const char *module, const char *name) {
  const size_t m = strlen(module), n = strlen(name);
  return value->kind == PICKLE_GLOBAL && value->moduleSize == m && value->textSize == m + 1 + n &&
         memcmp(value->text, module, m) == 0 && memcmp(value->text + m + 1, name, n) == 0;
}
