/* config.json in both flavours: what it means, and what is refused. */
#include "mamba/config.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

static const char hf[] =
    "{\"model_type\":\"mamba\",\"architectures\":[\"MambaForCausalLM\"],\"hidden_act\":\"silu\",\"hidden_"
    "size\":40,"
    "\"num_hidden_layers\":3,\"vocab_size\":100,\"state_size\":8,\"conv_kernel\":5,\"intermediate_size\":96,"
    "\"expand\":2,\"time_step_rank\":7,\"layer_norm_epsilon\":1e-6,\"tie_word_embeddings\":false,"
    "\"use_conv_bias\":false,\"use_bias\":true,\"eos_token_id\":99}";
static const char original[] =
    "{\"d_model\":40,\"n_layer\":3,\"vocab_size\":97,\"pad_vocab_size_multiple\":10,\"rms_norm\":true,"
    "\"tie_embeddings\":false,\"fused_add_norm\":true,\"residual_in_fp32\":true,\"d_intermediate\":0,"
    "\"attn_layer_idx\":[],\"attn_cfg\":{},"
    "\"ssm_cfg\":{\"layer\":\"Mamba1\",\"d_state\":8,\"d_conv\":5,\"expand\":3,\"dt_rank\":7,\"conv_bias\":"
    "false,"
    "\"bias\":true,\"dt_min\":0.001}}";

static MambaConfig parseOrFail(const char *text) {
  MambaConfig config;
  MambaError error;
  memset(&config, 0xff, sizeof config);
  if (mambaConfigParse(text, strlen(text), "config", &config, &error) != MAMBA_OK)
    fail_msg("refused %s: %s", text, error.message);
  return config;
}

static void expectTextRefused(const char *text, MambaStatus status, const char *message) {
  MambaConfig config = {.d_model = -7};
  MambaError error = {0};
  if (mambaConfigParse(text, strlen(text), "config", &config, &error) != status ||
      strcmp(error.message, message) != 0)
    fail_msg("expected status %d, '%s', found %d, '%s'", status, message, error.status, error.message);
  assert_int_equal(config.d_model, -7); /* untouched */
}

/* `base` with the keys of the object `changes` replaced, or removed where the value is "-". */
static char *change(const char *base, const char *changes) {
  json_t *object = json_loads(base, 0, NULL), *patch = json_loads(changes, 0, NULL), *value;
  const char *key;
  assert_non_null(object);
  assert_non_null(patch);
  json_object_foreach(patch, key, value) {
    if (json_is_string(value) && strcmp(json_string_value(value), "-") == 0)
      json_object_del(object, key);
    else
      json_object_set(object, key, value);
  }
  char *text = json_dumps(object, 0);
  json_decref(object);
  json_decref(patch);
  return text;
}

static void expectRefused(const char *base, const char *changes, MambaStatus status, const char *message) {
  char *text = change(base, changes);
  expectTextRefused(text, status, message);
  free(text);
}

static void expectInvalid(const char *base, const char *changes, const char *message) {
  expectRefused(base, changes, MAMBA_INVALID, message);
}

static void expectUnsupported(const char *base, const char *changes, const char *message) {
  expectRefused(base, changes, MAMBA_UNSUPPORTED, message);
}

static MambaConfig parseChanged(const char *base, const char *changes) {
  char *text = change(base, changes);
  const MambaConfig config = parseOrFail(text);
  free(text);
  return config;
}

static void testHF(void **state) {
  (void)state;
  const MambaConfig config = parseOrFail(hf);
  assert_int_equal(config.flavour, MAMBA_CONFIG_HF);
  assert_int_equal(config.d_model, 40);
  assert_int_equal(config.n_layer, 3);
  assert_int_equal(config.vocab_size, 100);
  assert_int_equal(config.d_state, 8);
  assert_int_equal(config.d_conv, 5);
  assert_int_equal(config.d_inner, 96); /* intermediate_size wins over expand */
  assert_int_equal(config.dt_rank, 7);
  assert_true(config.norm_epsilon == 1e-6);
  assert_false(config.tie_embeddings);
  assert_false(config.use_conv_bias);
  assert_true(config.use_bias);
  assert_int_equal(config.eos_token_id, 99);
}

static void testHFDefaults(void **state) {
  (void)state;
  const MambaConfig config = parseChanged(
      hf, "{\"architectures\":\"-\",\"hidden_act\":\"-\",\"vocab_size\":\"-\",\"intermediate_size\":\"-\","
          "\"time_step_rank\":\"-\",\"tie_word_embeddings\":\"-\",\"use_conv_bias\":\"-\","
          "\"use_bias\":\"-\",\"eos_token_id\":\"-\",\"model_type\":\"-\"}");
  assert_int_equal(config.flavour, MAMBA_CONFIG_HF);
  assert_int_equal(config.vocab_size, 50280);
  assert_int_equal(config.d_inner, 80);
  assert_int_equal(config.dt_rank, 3);
  assert_true(config.tie_embeddings);
  assert_true(config.use_conv_bias);
  assert_false(config.use_bias);
  assert_int_equal(config.eos_token_id, -1);
  assert_int_equal(parseChanged(hf, "{\"time_step_rank\":\"auto\"}").dt_rank, 3);
  assert_int_equal(parseChanged(hf, "{\"eos_token_id\":null}").eos_token_id, -1);
}

/* Files converted from the original spelling keep its keys beside transformers'. */
static void testHFWinsOverOriginal(void **state) {
  (void)state;
  const MambaConfig config =
      parseChanged(hf, "{\"d_model\":41,\"n_layer\":9,\"ssm_cfg\":{},\"rms_norm\":true}");
  assert_int_equal(config.flavour, MAMBA_CONFIG_HF);
  assert_int_equal(config.d_model, 40);
  assert_int_equal(config.n_layer, 3);
}

static void testOriginal(void **state) {
  (void)state;
  const MambaConfig config = parseOrFail(original);
  assert_int_equal(config.flavour, MAMBA_CONFIG_ORIGINAL);
  assert_int_equal(config.d_model, 40);
  assert_int_equal(config.n_layer, 3);
  assert_int_equal(config.vocab_size, 100); /* 97 padded to a multiple of 10 */
  assert_int_equal(config.d_state, 8);
  assert_int_equal(config.d_conv, 5);
  assert_int_equal(config.d_inner, 120);
  assert_int_equal(config.dt_rank, 7);
  assert_true(config.norm_epsilon == 1e-5);
  assert_false(config.tie_embeddings);
  assert_false(config.use_conv_bias);
  assert_true(config.use_bias);
  assert_int_equal(config.eos_token_id, -1);
}

static void testOriginalDefaults(void **state) {
  (void)state;
  const MambaConfig config = parseOrFail("{\"d_model\":40,\"n_layer\":3,\"vocab_size\":97}");
  assert_int_equal(config.vocab_size, 104);
  assert_int_equal(config.d_state, 16);
  assert_int_equal(config.d_conv, 4);
  assert_int_equal(config.d_inner, 80);
  assert_int_equal(config.dt_rank, 3);
  assert_true(config.tie_embeddings);
  assert_true(config.use_conv_bias);
  assert_false(config.use_bias);
  assert_int_equal(parseChanged(original, "{\"vocab_size\":100}").vocab_size, 100);
  assert_int_equal(parseChanged(original, "{\"ssm_cfg\":{\"dt_rank\":\"auto\"}}").dt_rank, 3);
}

static void testNotAConfiguration(void **state) {
  (void)state;
  expectTextRefused("", MAMBA_INVALID,
                    "config: not valid JSON: '[' or '{' expected near end of file (line 1, column 0)");
  expectTextRefused("[]", MAMBA_INVALID, "config: expected a JSON object, found []");
  expectTextRefused("{}", MAMBA_INVALID,
                    "config: expected hidden_size (transformers) or d_model (state-spaces), found neither");
  expectTextRefused("{\"a\":1,\"a\":1}", MAMBA_INVALID,
                    "config: not valid JSON: duplicate object key near '\"a\"' (line 1, column 10)");
}

static void testOtherArchitectures(void **state) {
  (void)state;
  expectUnsupported(hf, "{\"model_type\":\"falcon_mamba\"}",
                    "config: architectures: expected [\"FalconMambaForCausalLM\"], found [\"MambaForCausalLM\"]");
  expectUnsupported(hf, "{\"model_type\":\"mamba2\"}",
                    "config: model_type: expected \"mamba\", found \"mamba2\"");
  expectInvalid(hf, "{\"model_type\":1}", "config: model_type: expected \"mamba\", found 1");
  expectUnsupported(hf, "{\"architectures\":[\"MambaModel\"]}",
                    "config: architectures: expected [\"MambaForCausalLM\"], found [\"MambaModel\"]");
  expectInvalid(hf, "{\"architectures\":\"MambaForCausalLM\"}",
                "config: architectures: expected [\"MambaForCausalLM\"], found \"MambaForCausalLM\"");
  expectUnsupported(hf, "{\"hidden_act\":\"gelu\"}", "config: hidden_act: expected \"silu\", found \"gelu\"");
  expectUnsupported(
      hf, "{\"quantization_config\":{\"bits\":4}}",
      "config: quantization_config: expected weights that are not quantized, found {\"bits\":4}");
}

/* FalconMamba differs in its norms of dt, B and C. */
static void testFalcon(void **state) {
  (void)state;
  static const struct {
    const char *changes;
    double epsilon;
  } cases[] = {
      {"{\"model_type\":\"falcon_mamba\",\"architectures\":[\"FalconMambaForCausalLM\"]}", 1e-6},
      {"{\"model_type\":\"falcon_mamba\",\"architectures\":\"-\",\"mixer_rms_eps\":0.25}", 0.25},
      {"{\"mixer_rms_eps\":0.25}", 0}, /* no key of MambaConfig */
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char *text = change(hf, cases[i].changes);
    assert_true(parseOrFail(text).mixer_epsilon == cases[i].epsilon);
    free(text);
  }
  expectInvalid(hf, "{\"model_type\":\"falcon_mamba\",\"architectures\":null,\"mixer_rms_eps\":0}",
                "config: mixer_rms_eps: expected a number in (0, 1], found 0");
}

static void testMissingValues(void **state) {
  (void)state;
  expectInvalid(hf, "{\"hidden_size\":\"-\"}",
                "config: hidden_size: expected an integer in [1, 1048576], found nothing");
  expectInvalid(hf, "{\"num_hidden_layers\":\"-\"}",
                "config: num_hidden_layers: expected an integer in [1, 1048576], found nothing");
  expectInvalid(hf, "{\"state_size\":\"-\"}",
                "config: state_size: expected an integer in [1, 1048576], found nothing");
  expectInvalid(hf, "{\"conv_kernel\":\"-\"}",
                "config: conv_kernel: expected an integer in [1, 1048576], found nothing");
  expectInvalid(hf, "{\"intermediate_size\":\"-\",\"expand\":\"-\"}",
                "config: expand: expected an integer in [1, 1048576], found nothing");
  expectInvalid(hf, "{\"layer_norm_epsilon\":\"-\"}",
                "config: layer_norm_epsilon: expected a number in (0, 1], found nothing");
  expectInvalid(original, "{\"n_layer\":\"-\"}",
                "config: n_layer: expected an integer in [1, 1048576], found nothing");
  expectInvalid(original, "{\"vocab_size\":\"-\"}",
                "config: vocab_size: expected an integer in [1, 1048576], found nothing");
}

/* Every dimension of both flavours: wrong type, zero, negative, fractional, too large. */
static void testDimensions(void **state) {
  (void)state;
  static const char *const hfKeys[] = {"hidden_size", "num_hidden_layers", "vocab_size",    "state_size",
                                       "conv_kernel", "intermediate_size", "time_step_rank"};
  static const char *const originalKeys[] = {"d_model", "n_layer", "vocab_size", "pad_vocab_size_multiple"};
  static const char *const values[] = {"0", "-1", "1048577", "9223372036854775807"};
  char changes[128], message[256];
  for (size_t i = 0; i < 11; i++) {
    const char *key = i < 7 ? hfKeys[i] : originalKeys[i - 7];
    for (size_t j = 0; j < 4; j++) {
      snprintf(changes, sizeof changes, "{\"%s\":%s}", key, values[j]);
      snprintf(message, sizeof message, "config: %s: expected an integer in [1, 1048576], found %s", key,
               values[j]);
      expectInvalid(i < 7 ? hf : original, changes, message);
    }
  }
  expectInvalid(hf, "{\"hidden_size\":40.0}",
                "config: hidden_size: expected an integer in [1, 1048576], found 40.0");
  expectInvalid(hf, "{\"hidden_size\":\"40\"}",
                "config: hidden_size: expected an integer in [1, 1048576], found \"40\"");
  expectInvalid(hf, "{\"vocab_size\":null}",
                "config: vocab_size: expected an integer in [1, 1048576], found null");
  expectInvalid(hf, "{\"time_step_rank\":1.5}",
                "config: time_step_rank: expected \"auto\" or an integer, found 1.5");
  expectInvalid(hf, "{\"time_step_rank\":\"ten\"}",
                "config: time_step_rank: expected \"auto\" or an integer, found \"ten\"");
}

static void testProductsInRange(void **state) {
  (void)state;
  expectInvalid(hf, "{\"expand\":1.5}", "config: expand: expected an integer in [1, 1048576], found 1.5");
  expectInvalid(hf, "{\"intermediate_size\":\"-\",\"hidden_size\":1024,\"expand\":1025}",
                "config: expand: expected at most 1048576 channels, found 1025 * 1024");
  expectInvalid(original, "{\"d_model\":1048576}",
                "config: ssm_cfg.expand: expected at most 1048576 channels, found 3 * 1048576");
  expectInvalid(original, "{\"vocab_size\":1048575,\"pad_vocab_size_multiple\":1000}",
                "config: pad_vocab_size_multiple: expected a vocabulary of at most 1048576 rows, found 1000");
}

static void testEpsilon(void **state) {
  (void)state;
  assert_true(parseChanged(hf, "{\"layer_norm_epsilon\":1}").norm_epsilon == 1);
  expectInvalid(hf, "{\"layer_norm_epsilon\":0}",
                "config: layer_norm_epsilon: expected a number in (0, 1], found 0");
  expectInvalid(hf, "{\"layer_norm_epsilon\":-1e-5}",
                "config: layer_norm_epsilon: expected a number in (0, 1], found -1e-5");
  expectInvalid(hf, "{\"layer_norm_epsilon\":\"1e-5\"}",
                "config: layer_norm_epsilon: expected a number in (0, 1], found \"1e-5\"");
}

static void testBooleans(void **state) {
  (void)state;
  expectInvalid(hf, "{\"use_bias\":0}", "config: use_bias: expected true or false, found 0");
  expectInvalid(hf, "{\"use_conv_bias\":null}", "config: use_conv_bias: expected true or false, found null");
  expectInvalid(hf, "{\"tie_word_embeddings\":\"true\"}",
                "config: tie_word_embeddings: expected true or false, found \"true\"");
  expectInvalid(original, "{\"tie_embeddings\":1}",
                "config: tie_embeddings: expected true or false, found 1");
  expectInvalid(original, "{\"rms_norm\":1}", "config: rms_norm: expected true or false, found 1");
  expectInvalid(original, "{\"ssm_cfg\":{\"bias\":1}}",
                "config: ssm_cfg.bias: expected true or false, found 1");
}

static void testEndOfText(void **state) {
  (void)state;
  expectInvalid(hf, "{\"eos_token_id\":100}",
                "config: eos_token_id: expected an integer in [0, 99], found 100");
  expectInvalid(hf, "{\"eos_token_id\":-1}",
                "config: eos_token_id: expected an integer in [0, 99], found -1");
  expectInvalid(hf, "{\"eos_token_id\":[1,2]}",
                "config: eos_token_id: expected an integer in [0, 99], found [1,2]");
}

static void testOriginalOptions(void **state) {
  (void)state;
  expectUnsupported(original, "{\"rms_norm\":false}", "config: rms_norm: expected true, found false");
  expectUnsupported(original, "{\"d_intermediate\":128}",
                    "config: d_intermediate: expected 0, a model without MLP blocks, found 128");
  expectUnsupported(original, "{\"attn_layer_idx\":[4]}",
                    "config: attn_layer_idx: expected [], a model without attention, found [4]");
  expectInvalid(original, "{\"attn_layer_idx\":4}", "config: attn_layer_idx: expected [], found 4");
  expectUnsupported(original, "{\"attn_cfg\":{\"num_heads\":4}}",
                    "config: attn_cfg: expected {}, a model without attention, found {\"num_heads\":4}");
  expectInvalid(original, "{\"attn_cfg\":[]}", "config: attn_cfg: expected {}, found []");
  expectUnsupported(original, "{\"ssm_cfg\":{\"layer\":\"Mamba2\"}}",
                    "config: ssm_cfg.layer: expected \"Mamba1\", found \"Mamba2\"");
  expectUnsupported(original, "{\"ssm_cfg\":{\"headdim\":64}}",
                    "config: ssm_cfg.headdim: expected an argument of Mamba-1's mixer, found 64");
  expectInvalid(original, "{\"ssm_cfg\":[]}", "config: ssm_cfg: expected an object, found []");
  expectInvalid(original, "{\"ssm_cfg\":{\"d_state\":0}}",
                "config: ssm_cfg.d_state: expected an integer in [1, 1048576], found 0");
}

/* Long values are cut, control characters escaped. */
static void testQuotedValues(void **state) {
  (void)state;
  expectUnsupported(hf, "{\"model_type\":\"a\\nb\"}",
                    "config: model_type: expected \"mamba\", found \"a\\nb\"");
  expectUnsupported(
      hf, "{\"model_type\":\"0123456789012345678901234567890123456789012345678901234567890123456789\"}",
      "config: model_type: expected \"mamba\", found "
      "\"01234567890123456789012345678901234567890123456789012345678...");
}

static void testEveryTruncation(void **state) {
  (void)state;
  static const char *const texts[] = {hf, original};
  for (int i = 0; i < 2; i++) {
    for (size_t length = 0; length < strlen(texts[i]); length++) {
      MambaConfig config;
      MambaError error;
      char *part = malloc(length + !length);
      assert_non_null(part);
      memcpy(part, texts[i], length);
      assert_int_equal(mambaConfigParse(part, length, "config", &config, &error), MAMBA_INVALID);
      free(part);
    }
  }
}

static void testSampleModel(void **state) {
  (void)state;
  static const char *const paths[] = {"../models/tiny", "../models/tiny/config.json"};
  MambaConfig config;
  MambaError error;
  for (int i = 0; i < 2; i++) {
    memset(&config, 0, sizeof config);
    assert_int_equal(mambaConfigRead(paths[i], &config, &error), MAMBA_OK);
    assert_int_equal(config.d_model, 256);
    assert_int_equal(config.n_layer, 12);
    assert_int_equal(config.vocab_size, 4096);
    assert_int_equal(config.d_inner, 512);
    assert_int_equal(config.dt_rank, 16);
    assert_true(config.tie_embeddings);
  }
  assert_int_equal(mambaConfigRead("../models", &config, &error), MAMBA_IO);
  assert_non_null(strstr(error.message, "../models/config.json: cannot open"));
}

/* Published configurations, where they are at hand. */
static void testPublished(void **state) {
  (void)state;
  const char *folder = getenv("MAMBA_TEST_DATA");
  static const struct {
    const char *file;
    MambaStatus status;
    int64_t d_model, n_layer, vocab_size, d_inner, dt_rank;
  } cases[] = {
      {"mamba-130m-hf.config.as_found.json", MAMBA_OK, 768, 24, 50280, 1536, 48},
      {"mamba-2.8b-hf.config.json", MAMBA_OK, 2560, 64, 50280, 5120, 160},
      {"state-spaces_mamba-130m.config.reconstructed.json", MAMBA_OK, 768, 24, 50280, 1536, 48},
      {"falcon-mamba-7b.config.as_found.json", MAMBA_OK, 4096, 64, 65024, 8192, 256},
  };
  if (!folder || !*folder) {
    print_message("MAMBA_TEST_DATA is not set: published configurations are not checked\n");
    skip();
  }
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char path[1024];
    MambaConfig config = {0};
    MambaError error = {0};
    snprintf(path, sizeof path, "%s/fixtures/%s", folder, cases[i].file);
    if (mambaConfigRead(path, &config, &error) != cases[i].status)
      fail_msg("%s: %s", path, error.message);
    assert_int_equal(config.d_model, cases[i].d_model);
    assert_int_equal(config.n_layer, cases[i].n_layer);
    assert_int_equal(config.vocab_size, cases[i].vocab_size);
    assert_int_equal(config.d_inner, cases[i].d_inner);
    assert_int_equal(config.dt_rank, cases[i].dt_rank);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(testHF),
      cmocka_unit_test(testHFDefaults),
      cmocka_unit_test(testHFWinsOverOriginal),
      cmocka_unit_test(testOriginal),
      cmocka_unit_test(testOriginalDefaults),
      cmocka_unit_test(testNotAConfiguration),
      cmocka_unit_test(testOtherArchitectures),
      cmocka_unit_test(testFalcon),
      cmocka_unit_test(testMissingValues),
      cmocka_unit_test(testDimensions),
      cmocka_unit_test(testProductsInRange),
      cmocka_unit_test(testEpsilon),
      cmocka_unit_test(testBooleans),
      cmocka_unit_test(testEndOfText),
      cmocka_unit_test(testOriginalOptions),
      cmocka_unit_test(testQuotedValues),
      cmocka_unit_test(testEveryTruncation),
      cmocka_unit_test(testSampleModel),
      cmocka_unit_test(testPublished),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
