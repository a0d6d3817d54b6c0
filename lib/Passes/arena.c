#include "arena.h"

static int64_t aligned(int64_t bytes) {
  return (bytes + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
}

static int overlap(const ArenaBuffer *a, const ArenaBuffer *b) {
  return a->first <= b->last && b->first <= a->last && a->offset < b->offset + aligned(b->bytes) &&
         b->offset < a->offset + aligned(a->bytes);
}

/* Moves a buffer up until it is clear of those placed before it. */
static void place(ArenaBuffer *buffers, size_t index) {
  ArenaBuffer *buffer = &buffers[index];
  buffer->offset = 0;
  for (size_t i = 0; i < index; i++)
    if (overlap(buffer, &buffers[i])) {
      buffer->offset = buffers[i].offset + aligned(buffers[i].bytes);
      i = (size_t)-1; /* look again at all of them */
    }
}

int64_t arenaPack(ArenaBuffer *buffers, size_t count) {
  int64_t end = 0;
  for (size_t i = 0; i < count; i++) {
    place(buffers, i);
    const int64_t top = buffers[i].offset + aligned(buffers[i].bytes);
    end = top > end ? top : end;
  }
  return end;
}
