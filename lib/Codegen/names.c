#include "names.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* C's and C++'s keywords that a checkpoint might use, and what emit_model.c declares. */
static const char *const kTaken[] = {
    "alignas",  "and",      "arena",   "asm",       "auto",     "bool",      "catch",    "class",
    "delete",   "export",   "false",   "friend",    "mutable",  "namespace", "new",      "not",
    "operator", "or",       "private", "protected", "public",   "rows",      "template", "this",
    "throw",    "true",     "try",     "typename",  "using",    "virtual",   "xor",      "break",
    "case",     "char",     "const",   "continue",  "default",  "do",        "double",   "else",
    "enum",     "extern",   "first",   "float",     "for",      "forward",   "goto",     "if",
    "inline",   "int",      "long",    "register",  "restrict", "return",    "run",      "short",
    "signed",   "sizeof",   "state",   "static",    "struct",   "switch",    "tokens",   "typedef",
    "union",    "unsigned", "void",    "volatile",  "weights",  "while",     "worker",
};

static bool isTaken(const MambaNames *names, const char *name) {
  for (size_t i = 0; i < sizeof kTaken / sizeof kTaken[0]; i++)
    if (!strcmp(name, kTaken[i]))
      return true;
  for (size_t i = 0; i < names->count; i++)
    if (!strcmp(name, names->names[i]))
      return true;
  return !strncmp(name, "mamba_", strlen("mamba_"));
}

static bool reserve(MambaNames *names) {
  if (names->count < names->capacity)
    return true;
  const size_t capacity = names->capacity ? 2 * names->capacity : 64;
  char **larger = realloc(names->names, capacity * sizeof *larger);
  if (!larger)
    return false;
  names->names = larger;
  names->capacity = capacity;
  return true;
}

static const char *add(MambaNames *names, MlirStringRef name, bool identifier) {
  if (!name.length)
    name = mambaRef("value");
  const size_t room = name.length + 32; /* for a prefix, a number and the end */
  char *text = reserve(names) ? malloc(room) : NULL;
  if (!text)
    return NULL;
  size_t length = 0;
  if (identifier && !isalpha((unsigned char)name.data[0]))
    length = (size_t)snprintf(text, room, "v_");
  for (size_t i = 0; i < name.length; i++)
    text[length++] = identifier && !isalnum((unsigned char)name.data[i]) ? '_' : name.data[i];
  text[length] = 0;
  for (size_t number = 2; isTaken(names, text); number++)
    snprintf(text + length, room - length, identifier ? "_%zu" : ".%zu", number);
  names->names[names->count++] = text;
  return text;
}

const char *mambaNamesAdd(MambaNames *names, MlirStringRef name) {
  return add(names, name, true);
}

const char *mambaNamesAddLabel(MambaNames *names, MlirStringRef name) {
  return add(names, name, false);
}

void mambaNamesDestroy(MambaNames *names) {
  for (size_t i = 0; i < names->count; i++)
    free(names->names[i]);
  free(names->names);
  *names = (MambaNames){0};
}
