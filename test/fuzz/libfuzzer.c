/* libFuzzer's entries, the same for all targets. */
#include "fuzz.h"

#include <jansson.h>
#include <sanitizer/asan_interface.h>
#include <stdio.h>
#include <stdlib.h>

/* A document is hundreds of small objects, for which AddressSanitizer's allocator takes most of an
 * execution. Here they come one behind the other, 16 bytes apart, and none is used again within an execution:
 * reads beside them or after their end are found as before. */
enum { ARENA = 1 << 24, GRAIN = 16 };

static _Alignas(GRAIN) unsigned char arena[ARENA];
static uint32_t sizes[ARENA / GRAIN]; /* of what begins there */
static size_t used, live;

static void *take(size_t size) {
  const size_t whole = GRAIN + (size + GRAIN - 1) / GRAIN * GRAIN;
  if (size > ARENA || whole > ARENA - used)
    return NULL;
  unsigned char *memory = arena + used;
  sizes[used / GRAIN] = (uint32_t)size;
  __asan_unpoison_memory_region(memory, size);
  used += whole;
  live++;
  return memory;
}

static void giveBack(void *memory) {
  if (!memory)
    return;
  __asan_poison_memory_region(memory, sizes[((unsigned char *)memory - arena) / GRAIN]);
  live--;
}

const char *__asan_default_options(void);
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Allocations without their stacks and with a small quarantine: several times as many executions. */
const char *__asan_default_options(void) {
  return "malloc_context_size=0:quarantine_size_mb=1:thread_local_quarantine_size_kb=64";
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc;
  (void)argv;
  __asan_poison_memory_region(arena, sizeof arena);
  json_set_alloc_funcs(take, giveBack);
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzzRead(data, size);
  if (live) {
    fprintf(stderr, "JSON leaks: %zu objects are left\n", live);
    abort();
  }
  used = 0;
  return 0;
}
