/* MAMBA_ISA: a name that this build does not have is reported, and the portable kernels run. */
#include "mamba_kernels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void testUnknownSetIsReported(void **state) {
  (void)state;
  assert_int_equal(setenv("MAMBA_ISA", "x87", 1), 0);
  const char *message = mamba_kernels_check_contract();
  assert_non_null(message);
  assert_non_null(strstr(message, "MAMBA_ISA"));
  assert_string_equal(mamba_kernels_instruction_set(), "portable");
}

static void testEmptyMeansBest(void **state) {
  (void)state;
  assert_int_equal(setenv("MAMBA_ISA", "", 1), 0);
  assert_null(mamba_kernels_check_contract());
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(testUnknownSetIsReported),
      cmocka_unit_test(testEmptyMeansBest),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
