/* The functions of kernels/mamba_math.h against MPFR, with the bounds that docs/numerics.md promises.
 *
 * `math [stride]` visits every stride-th float of each function's range (1: all of them; an hour without
 * -mfma, minutes with it).
 * The error is taken against the C library's double function, whose own error is below 2^-28 ulp of a
 * float here; every 101st visited float also against MPFR with 120 bits, which proves that. */
#include "mamba_math.h"

#include <mpfr.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* The first and the last float whose exponential is a normal number. */
#define EXP_LOW -0x1.5d589ep+6f
#define EXP_HIGH 0x1.62e42ep+6f

static uint32_t stride = 997;

typedef struct Function {
  const char *name; /* as in the table of docs/numerics.md */
  float (*function)(float x);
  double (*reference)(double x);
  void (*exact)(mpfr_t result, const mpfr_t x);
  float low, high; /* the range in which the bound holds */
} Function;

static double softplus(double x) {
  return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}
static double sigmoid(double x) {
  return 1 / (1 + exp(-x));
}
static double silu(double x) {
  return x / (1 + exp(-x));
}

static void exactExp(mpfr_t result, const mpfr_t x) {
  mpfr_exp(result, x, MPFR_RNDN);
}

static void exactLog1p(mpfr_t result, const mpfr_t x) {
  mpfr_log1p(result, x, MPFR_RNDN);
}

static void exactSoftplus(mpfr_t result, const mpfr_t x) {
  if (mpfr_cmp_ui(x, 100) > 0) { /* ln(1 + e^x) - x is below the last of 120 bits */
    mpfr_set(result, x, MPFR_RNDN);
    return;
  }
  mpfr_exp(result, x, MPFR_RNDN);
  mpfr_log1p(result, result, MPFR_RNDN);
}

static void exactSigmoid(mpfr_t result, const mpfr_t x) {
  mpfr_neg(result, x, MPFR_RNDN);
  mpfr_exp(result, result, MPFR_RNDN);
  mpfr_add_ui(result, result, 1, MPFR_RNDN);
  mpfr_ui_div(result, 1, result, MPFR_RNDN);
}

static void exactSilu(mpfr_t result, const mpfr_t x) {
  exactSigmoid(result, x);
  mpfr_mul(result, result, x, MPFR_RNDN);
}

static const Function functions[] = {
    {"mambaExp", mambaExp, exp, exactExp, EXP_LOW, EXP_HIGH},
    {"mambaLog1pUnit", mambaLog1pUnit, log1p, exactLog1p, 0.0f, 1.0f},
    {"mambaSoftplus", mambaSoftplus, softplus, exactSoftplus, EXP_LOW, 3.4e38f},
    {"mambaSigmoid", mambaSigmoid, sigmoid, exactSigmoid, EXP_LOW, 3.4e38f},
    {"mambaSilu", mambaSilu, silu, exactSilu, -EXP_HIGH, 3.4e38f},
};

/* The last place of a float near `value`. */
static double getUlp(double value) {
  const int exponent = ilogb(value);
  return ldexp(1, (exponent < -126 ? -126 : exponent) - 23);
}

/* The bound in the row "| `name` | ... | bound |" of docs/numerics.md: its last column. */
static double readBound(const char *name) {
  FILE *file = fopen("../docs/numerics.md", "r");
  assert_non_null(file);
  char line[1024], start[64];
  snprintf(start, sizeof start, "| `%s` |", name);
  double bound = -1;
  while (bound < 0 && fgets(line, sizeof line, file)) {
    if (strncmp(line, start, strlen(start)) != 0)
      continue;
    char *end = strrchr(line, '|');
    assert_true(end > line);
    *end = '\0';
    bound = strtod(strrchr(line, '|') + 1, NULL);
  }
  fclose(file);
  assert_true(bound > 0);
  return bound;
}

/* Checks the double reference against MPFR: far closer than a float's last place. */
static void checkReference(const Function *f, float x, mpfr_t in, mpfr_t out) {
  mpfr_set_flt(in, x, MPFR_RNDN);
  f->exact(out, in);
  const double reference = f->reference(x);
  mpfr_sub_d(in, out, reference, MPFR_RNDN);
  assert_true(fabs(mpfr_get_d(in, MPFR_RNDN)) <= getUlp(reference) * 0x1p-26);
}

static void measure(const Function *f) {
  mpfr_t in, out;
  mpfr_init2(in, 120);
  mpfr_init2(out, 120);
  double worst = 0;
  float worst_at = 0;
  uint64_t visited = 0;
  for (uint64_t bits = 0; bits < UINT64_C(1) << 32; bits += stride) {
    const float x = mambaFloatFromBits((uint32_t)bits);
    if (!(x >= f->low && x <= f->high))
      continue;
    const double reference = f->reference(x);
    const double error = fabs((double)f->function(x) - reference) / getUlp(reference);
    if (!(error <= worst)) {
      worst = error;
      worst_at = x;
    }
    if (visited++ % 101 == 0)
      checkReference(f, x, in, out);
  }
  checkReference(f, worst_at, in, out);
  mpfr_clears(in, out, (mpfr_ptr)0);
  const double bound = readBound(f->name);
  printf("%-15s %.4f ulp at %a (%llu values; bound %.2f)\n", f->name, worst, (double)worst_at,
         (unsigned long long)visited, bound);
  assert_true(visited > 1000);
  assert_true(worst <= bound);
}

static void testErrorsAreWithinTheDocumentedBounds(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; ++i)
    measure(&functions[i]);
}

static void assertBits(float actual, float expected) {
  assert_int_equal(mambaFloatBits(actual), mambaFloatBits(expected));
}

static void testExpSpecialValues(void **state) {
  (void)state;
  assertBits(mambaExp(0.0f), 1.0f);
  assertBits(mambaExp(-0.0f), 1.0f);
  assertBits(mambaExp(-INFINITY), 0.0f);
  assertBits(mambaExp(INFINITY), INFINITY);
  assert_true(isnan(mambaExp(NAN)));
  /* The last results before zero and infinity, and the first of those. */
  assert_true(mambaExp(EXP_LOW) >= 0x1p-126f);
  assertBits(mambaExp(nextafterf(EXP_LOW, -INFINITY)), 0.0f);
  assert_true(isfinite(mambaExp(EXP_HIGH)));
  assertBits(mambaExp(nextafterf(EXP_HIGH, INFINITY)), INFINITY);
  assertBits(mambaExp(-0x1.fffffep+127f), 0.0f);
  assertBits(mambaExp(0x1.fffffep+127f), INFINITY);
}

static void testSoftplusSpecialValues(void **state) {
  (void)state;
  assertBits(mambaSoftplus(-INFINITY), 0.0f);
  assertBits(mambaSoftplus(INFINITY), INFINITY);
  assert_true(isnan(mambaSoftplus(NAN)));
  /* PyTorch gives x itself above its threshold 20. */
  for (float x = nextafterf(20.0f, INFINITY); x < 100.0f; x = nextafterf(x * 1.001f, INFINITY))
    assertBits(mambaSoftplus(x), x);
}

static void testSiluSpecialValues(void **state) {
  (void)state;
  assertBits(mambaSilu(0.0f), 0.0f);
  assertBits(mambaSilu(-0.0f), -0.0f);
  assertBits(mambaSilu(INFINITY), INFINITY);
  assert_true(isnan(mambaSilu(-INFINITY)));
  assert_true(isnan(mambaSilu(NAN)));
  assertBits(mambaSilu(-100.0f), -0.0f);
  assertBits(mambaSigmoid(-INFINITY), 0.0f);
  assertBits(mambaSigmoid(INFINITY), 1.0f);
  assert_true(isnan(mambaSigmoid(NAN)));
}

/* Every float against the C library's rounding. */
static void testRoundToInt8(void **state) {
  (void)state;
  for (uint64_t bits = 0; bits < UINT64_C(1) << 32; bits += stride) {
    const float x = mambaFloatFromBits((uint32_t)bits);
    const double expected = isnan(x) ? 127 : fmax(-127, fmin(127, nearbyint((double)x)));
    assert_int_equal(mambaRoundToInt8(x), (int)expected);
  }
  for (int twice = -300; twice <= 300; ++twice)
    assert_int_equal(mambaRoundToInt8((float)twice / 2),
                     (int)fmax(-127, fmin(127, nearbyint((double)twice / 2))));
}

static void testScaleOfAbsmax(void **state) {
  (void)state;
  assertBits(mambaScaleOfAbsmax(127.0f), 1.0f);
  assertBits(mambaScaleOfAbsmax(0.0f), 0.0f);
  assertBits(mambaScaleOfAbsmax(127.0f * 0x1p-100f), 0x1p-100f);
  assertBits(mambaScaleOfAbsmax(126.0f * 0x1p-100f), 0.0f);
  assertBits(mambaInverseScale(0x1p-100f), 0x1p+100f);
  assertBits(mambaInverseScale(0.0f), 0.0f);
}

int main(int argc, char **argv) {
  if (argc > 1)
    stride = (uint32_t)strtoul(argv[1], NULL, 10);
  if (stride == 0) {
    fputs("usage: math [stride], a number above 0\n", stderr);
    return 2;
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(testErrorsAreWithinTheDocumentedBounds),
      cmocka_unit_test(testExpSpecialValues),
      cmocka_unit_test(testSoftplusSpecialValues),
      cmocka_unit_test(testSiluSpecialValues),
      cmocka_unit_test(testRoundToInt8),
      cmocka_unit_test(testScaleOfAbsmax),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
