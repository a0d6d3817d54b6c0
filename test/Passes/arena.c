/* Packing of buffers: nothing that lives at the same time overlaps, everything is aligned, gaps are used. */
#include "arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void emptyArena(void **state) {
  (void)state;
  assert_int_equal(arenaPack(NULL, 0), 0);
}

static void deadBuffersShareMemory(void **state) {
  (void)state;
  ArenaBuffer buffers[] = {{100, 0, 1, -1}, {64, 1, 2, -1}, {128, 2, 3, -1}, {1, 3, 3, -1}};
  /* 0 ends where 2 begins, and 2 fits where 0 was: 100 bytes take 128. */
  assert_int_equal(arenaPack(buffers, 4), 192);
  assert_int_equal(buffers[0].offset, 0);
  assert_int_equal(buffers[1].offset, 128);
  assert_int_equal(buffers[2].offset, 0);
  assert_int_equal(buffers[3].offset, 128);
}

static void firstGapThatFits(void **state) {
  (void)state;
  ArenaBuffer buffers[] = {{64, 0, 1, -1}, {64, 0, 9, -1}, {128, 0, 1, -1},
                           {64, 0, 9, -1}, {65, 5, 9, -1}, {64, 5, 9, -1}};
  assert_int_equal(arenaPack(buffers, 6), 320);
  assert_int_equal(buffers[4].offset, 128); /* 128 bytes, behind the one that lives on */
  assert_int_equal(buffers[5].offset, 0);
}

static void randomBuffers(void **state) {
  (void)state;
  uint32_t seed = 7;
  ArenaBuffer buffers[200];
  for (int i = 0; i < 200; i++) {
    seed = seed * 1664525u + 1013904223u;
    buffers[i].bytes = seed >> 20;
    buffers[i].first = i / 2;
    buffers[i].last = i / 2 + (intptr_t)(seed >> 8) % 7;
  }
  const int64_t bytes = arenaPack(buffers, 200);
  for (int i = 0; i < 200; i++) {
    assert_int_equal(buffers[i].offset % ARENA_ALIGNMENT, 0);
    assert_true(buffers[i].offset >= 0 && buffers[i].offset + buffers[i].bytes <= bytes);
    for (int j = 0; j < i; j++) {
      const bool together = buffers[i].first <= buffers[j].last && buffers[j].first <= buffers[i].last;
      const bool apart = buffers[i].offset >= buffers[j].offset + buffers[j].bytes ||
                         buffers[j].offset >= buffers[i].offset + buffers[i].bytes;
      assert_true(!together || apart);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(emptyArena),
      cmocka_unit_test(deadBuffersShareMemory),
      cmocka_unit_test(firstGapThatFits),
      cmocka_unit_test(randomBuffers),
  };
  return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
