/* The textual pipelines of the recipes. */
#include "mamba/passes.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void quamba(void **state) {
  (void)state;
  char text[1024];
  MambaError error;
  MambaPipelineOptions options = mambaPipelineDefaults();
  assert_int_equal(mambaPipelineSpec("quamba", &options, text, sizeof text, &error), MAMBA_OK);
  assert_string_equal(text,
                      "mamba-rotate{sites=y},mamba-fold-hadamard,"
                      "mamba-calibrate{samples=128 length=512 seed=0 calibration='self'},"
                      "mamba-clamp-scan{percentile=99.999},mamba-insert-qdq{weights=row sites=head=f32},cse,"
                      "mamba-fuse-kernels,canonicalize,cse");
  options.percentile = 99.5;
  options.output = "w 1.safetensors";
  options.calibrate.calibration = "a b.txt";
  options.calibrate.statistics = "s.json";
  assert_int_equal(mambaPipelineSpec("quamba", &options, text, sizeof text, &error), MAMBA_OK);
  assert_non_null(strstr(text, "{percentile=99.5}"));
  assert_non_null(strstr(text, " calibration='a b.txt' statistics='s.json'}"));
  assert_non_null(strstr(text, ",mamba-materialize{ output='w 1.safetensors'}"));
}

/* The head comes after calibration, so that the statistics of one choice serve the other. */
static void head(void **state) {
  (void)state;
  static const char *const recipes[] = {"static", "quamba-paper", "quamba", "per-token"};
  char text[1024], other[1024];
  MambaError error;
  MambaPipelineOptions options = mambaPipelineDefaults();
  options.calibrate.statistics = "s.json";
  for (size_t i = 0; i < sizeof recipes / sizeof recipes[0]; i++) {
    options.head = "token";
    assert_int_equal(mambaPipelineSpec(recipes[i], &options, text, sizeof text, &error), MAMBA_OK);
    assert_non_null(strstr(text, ",mamba-rotate{sites=head},mamba-fold-hadamard,mamba-insert-qdq{"));
    assert_non_null(strstr(text, "head=token}"));
    options.head = "16";
    assert_int_equal(mambaPipelineSpec(recipes[i], &options, other, sizeof other, &error), MAMBA_OK);
    assert_null(strstr(other, "sites=head}"));
    assert_non_null(strstr(other, "head=f32}"));
    const char *calibrate = strstr(text, "mamba-calibrate{");
    assert_memory_equal(text, other, (size_t)(strchr(calibrate, '}') - text));
    options.head = "";
    assert_int_equal(mambaPipelineSpec(recipes[i], &options, other, sizeof other, &error), MAMBA_OK);
    assert_int_equal(!strcmp(text, other), !strcmp(recipes[i], "per-token"));
  }
}

static void everyRecipeHasASummary(void **state) {
  (void)state;
  MambaPipelineOptions options = mambaPipelineDefaults();
  options.calibrate.statistics = "s.json";
  int count = 0;
  for (const MambaRecipe *recipe = kMambaRecipes; recipe->name; recipe++, count++) {
    char text[1024];
    MambaError error;
    assert_true(strlen(recipe->summary) > 0);
    assert_int_equal(mambaPipelineSpec(recipe->name, &options, text, sizeof text, &error), MAMBA_OK);
    assert_null(strstr(text, "{calibrate}"));
    assert_null(strstr(text, "head}mamba"));
    assert_null(strstr(text, "{head}"));
    assert_null(strstr(text, "rules"));
  }
  assert_int_equal(count, 12);
}

/* A user's rules come before everything that reads them. */
static void rules(void **state) {
  (void)state;
  MambaPipelineOptions options = mambaPipelineDefaults();
  options.calibrate.statistics = "s.json";
  options.rules = "my rules.txt";
  for (const MambaRecipe *recipe = kMambaRecipes; recipe->name; recipe++) {
    char text[1024];
    MambaError error;
    if (recipe->head) {
      assert_int_equal(mambaPipelineSpec(recipe->name, &options, text, sizeof text, &error), MAMBA_OK);
      const char *found = strstr(text, "mamba-rules{ file='my rules.txt'},mamba-");
      assert_ptr_equal(found, strcmp(recipe->name, "best") ? text : strchr(text, '}') + 2);
    } else {
      assert_int_equal(mambaPipelineSpec(recipe->name, &options, text, sizeof text, &error), MAMBA_INVALID);
    }
  }
}

static void budget(void **state) {
  (void)state;
  char text[1024];
  MambaError error;
  MambaPipelineOptions options = mambaPipelineDefaults();
  options.calibrate.statistics = "s.json";
  options.calibrate.samples = 3;
  options.budget = "9MiB";
  options.head = "16";
  assert_int_equal(mambaPipelineSpec("best", &options, text, sizeof text, &error), MAMBA_OK);
  assert_ptr_equal(
      strstr(text, "mamba-search{samples=3 length=256 seed=0 head=16 calibration='self' budget='9MiB' target='cpu'},"),
      text);
  options.is_searched = true;
  assert_int_equal(mambaPipelineSpec("best", &options, text, sizeof text, &error), MAMBA_OK);
  assert_null(strstr(text, "mamba-search"));
  assert_int_equal(mambaPipelineSpec("quamba", &options, text, sizeof text, &error), MAMBA_INVALID);
  assert_non_null(strstr(error.message, "recipe quamba does not search: expected no budget, found '9MiB'"));
}

/* 4-bit weights come from the same samples as the statistics, beside which their file lies. */
static void fourBits(void **state) {
  (void)state;
  char text[2048];
  MambaError error;
  MambaPipelineOptions options = mambaPipelineDefaults();
  options.calibrate.statistics = "s.json";
  options.calibrate.samples = 5;
  options.group = "row";
  options.head = "w8";
  options.state = "i8";
  assert_int_equal(mambaPipelineSpec("w4a8", &options, text, sizeof text, &error), MAMBA_OK);
  assert_non_null(strstr(text, "mamba-gptq{samples=5 length=512 seed=0 calibration='self' group='row' "
                               "output='s.json.int4.safetensors'},"));
  assert_non_null(strstr(text, "head=w8 state=i8}"));
}

static void expectRefusal(const char *recipe, const MambaPipelineOptions *options, size_t size,
                          MambaStatus status, const char *message) {
  char text[1024];
  MambaError error;
  assert_int_equal(mambaPipelineSpec(recipe, options, text, size, &error), status);
  if (!strstr(error.message, message))
    fail_msg("expected '%s' in '%s'", message, error.message);
}

static void refusals(void **state) {
  (void)state;
  MambaPipelineOptions options = mambaPipelineDefaults();
  expectRefusal("worst", &options, 1024, MAMBA_INVALID,
                "recipe: expected static, quamba-paper, quamba, per-token, dynamic, smoothquant, rotate-all, "
                "w8, w4a16, w4a8, best or float, found 'worst'");
  expectRefusal("per-token", &options, 1024, MAMBA_INVALID, "expected statistics=FILE");
  expectRefusal("quamba", &options, 64, MAMBA_INVALID, "characters: more than 63");
  options.calibrate.calibration = "it's.txt";
  expectRefusal("quamba", &options, 1024, MAMBA_UNSUPPORTED, "a pipeline cannot spell");
  options = mambaPipelineDefaults();
  options.percentile = NAN;
  expectRefusal("quamba", &options, 1024, MAMBA_INVALID, "percentile: expected a number in (0, 100]");
  options = mambaPipelineDefaults();
  options.head = "8";
  expectRefusal("quamba", &options, 1024, MAMBA_INVALID, "head: expected token, w8 or 16, found '8'");
  expectRefusal("float", &options, 1024, MAMBA_INVALID, "recipe float quantizes nothing: expected no head");
  options = mambaPipelineDefaults();
  options.state = "i8";
  expectRefusal("float", &options, 1024, MAMBA_INVALID, "recipe float quantizes nothing: expected no state");
  options.state = "i16";
  expectRefusal("quamba", &options, 1024, MAMBA_INVALID, "state: expected f32 or i8, found 'i16'");
  options = mambaPipelineDefaults();
  options.group = "64";
  expectRefusal("quamba", &options, 1024, MAMBA_INVALID, "recipe quamba has no 4-bit weights: expected no group");
  expectRefusal("w4a16", &options, 1024, MAMBA_INVALID, "expected statistics=FILE");
  options = mambaPipelineDefaults();
  options.calibrate.samples = 0;
  expectRefusal("quamba", &options, 1024, MAMBA_INVALID,
                "samples and length: expected at least 1, found 0 and 512");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(quamba), cmocka_unit_test(head),   cmocka_unit_test(everyRecipeHasASummary),
      cmocka_unit_test(rules),  cmocka_unit_test(budget), cmocka_unit_test(fourBits), cmocka_unit_test(refusals),
  };
  return cmocka_run_group_tests_name("pipelines", tests, NULL, NULL);
}
