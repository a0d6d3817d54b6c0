/* Memory of buffers that live for part of a program, packed into one arena. */
#ifndef MAMBA_PASSES_ARENA_H
#define MAMBA_PASSES_ARENA_H

#include <stddef.h>
#include <stdint.h>

#define ARENA_ALIGNMENT 64

/* A buffer of `bytes` bytes that is in use from op `first` to op `last`, both included. */
typedef struct ArenaBuffer {
  int64_t bytes;
  intptr_t first, last;
  int64_t offset; /* where arenaPack puts it */
} ArenaBuffer;

/* Gives every buffer, in the order of the array, the lowest aligned offset at which no buffer placed before
 * it that is in use at the same time lies (first fit). Returns the bytes of the arena. */
int64_t arenaPack(ArenaBuffer *buffers, size_t count);

#endif
