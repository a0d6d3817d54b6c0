/* config.json, in the spelling of Hugging Face transformers and in that of state-spaces/mamba. */
#include "mamba/config.h"
#include "mamba/json.h"
#include "mamba/mapped_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* One JSON object being read. After the first failure `status` says so and the getters below give
 * their fallback, so that a list of them needs one check at its end. */
typedef struct Reader {
  json_t *object;
  const char *label;  /* the file, in messages */
  const char *prefix; /* "ssm_cfg." for the keys of that object, else "" */
  MambaError *error;
  MambaStatus status;
} Reader;

static void failValue(Reader *reader, MambaStatus status, const char *key, const char *expected) {
  char found[MAMBA_JSON_TEXT];
  if (reader->status == MAMBA_OK)
    reader->status =
        mambaFail(reader->error, status, "%s: %s%s: expected %s, found %s", reader->label, reader->prefix,
                  key, expected, mambaJsonDescribe(json_object_get(reader->object, key), found));
}

static bool has(const Reader *reader, const char *key) {
  return json_object_get(reader->object, key) != NULL;
}

static int64_t getInteger(Reader *reader, const char *key, int64_t low, int64_t high) {
  const json_t *value = json_object_get(reader->object, key);
  if (!json_is_integer(value) || json_integer_value(value) < low || json_integer_value(value) > high) {
    char expected[64];
    snprintf(expected, sizeof expected, "an integer in [%" PRId64 ", %" PRId64 "]", low, high);
    failValue(reader, MAMBA_INVALID, key, expected);
    return low;
  }
  return json_integer_value(value);
}

static int64_t getDimension(Reader *reader, const char *key) {
  return getInteger(reader, key, 1, MAMBA_CONFIG_MAX_DIMENSION);
}

static int64_t getDimensionOr(Reader *reader, const char *key, int64_t fallback) {
  return has(reader, key) ? getDimension(reader, key) : fallback;
}

static bool getBool(Reader *reader, const char *key, bool fallback) {
  const json_t *value = json_object_get(reader->object, key);
  if (value && !json_is_boolean(value))
    failValue(reader, MAMBA_INVALID, key, "true or false");
  return json_is_boolean(value) ? json_is_true(value) : fallback;
}

/* A key that changes what the model computes and of which one text is supported. */
static void expectText(Reader *reader, const char *key, const char *text) {
  const json_t *value = json_object_get(reader->object, key);
  char expected[64];
  snprintf(expected, sizeof expected, "\"%s\"", text);
  if (value && !json_is_string(value))
    failValue(reader, MAMBA_INVALID, key, expected);
  else if (value && strcmp(json_string_value(value), text) != 0)
    failValue(reader, MAMBA_UNSUPPORTED, key, expected);
}

/* The time step's rank: an integer, or "auto" (also when absent) for ceil(d_model / 16). */
static int64_t getRank(Reader *reader, const char *key, int64_t d_model) {
  const json_t *value = json_object_get(reader->object, key);
  if (!value || (json_is_string(value) && strcmp(json_string_value(value), "auto") == 0))
    return (d_model + 15) / 16;
  if (!json_is_integer(value))
    failValue(reader, MAMBA_INVALID, key, "\"auto\" or an integer");
  return getDimension(reader, key);
}

static int64_t getInner(Reader *reader, int64_t expand, int64_t d_model) {
  const int64_t d_inner = expand * d_model; /* both at most 2^20 */
  if (d_inner > MAMBA_CONFIG_MAX_DIMENSION && reader->status == MAMBA_OK)
    reader->status = mambaFail(reader->error, MAMBA_INVALID,
                               "%s: %sexpand: expected at most %d channels, found %" PRId64 " * %" PRId64,
                               reader->label, reader->prefix, MAMBA_CONFIG_MAX_DIMENSION, expand, d_model);
  return d_inner;
}

static int64_t getToken(Reader *reader, const char *key, int64_t vocab_size) {
  const json_t *value = json_object_get(reader->object, key);
  return !value || json_is_null(value) ? -1 : getInteger(reader, key, 0, vocab_size - 1);
}

static double getEpsilon(Reader *reader, const char *key) {
  const json_t *value = json_object_get(reader->object, key);
  const double epsilon = json_number_value(value);
  if (!json_is_number(value) || !(epsilon > 0 && epsilon <= 1))
    failValue(reader, MAMBA_INVALID, key, "a number in (0, 1]");
  return epsilon;
}

static void expectArchitecture(Reader *reader, const char *name) {
  const json_t *list = json_object_get(reader->object, "architectures");
  size_t i;
  json_t *item;
  if (!list || json_is_null(list))
    return;
  json_array_foreach(list, i, item) {
    if (json_is_string(item) && strcmp(json_string_value(item), name) == 0)
      return;
  }
  char expected[64];
  snprintf(expected, sizeof expected, "[\"%s\"]", name);
  failValue(reader, json_is_array(list) ? MAMBA_UNSUPPORTED : MAMBA_INVALID, "architectures", expected);
}

static bool isText(const Reader *reader, const char *key, const char *text) {
  const char *value = json_string_value(json_object_get(reader->object, key));
  return value && strcmp(value, text) == 0;
}

/* transformers' MambaConfig, or FalconMambaConfig, which adds an epsilon. It writes all of its own keys; the few that published files lack have its
 * defaults. The rest of the keys concern training or other programs. */
static MambaConfig readHF(Reader *reader) {
  MambaConfig config = {.flavour = MAMBA_CONFIG_HF};
  const bool falcon = isText(reader, "model_type", "falcon_mamba");
  if (!falcon)
    expectText(reader, "model_type", "mamba");
  expectArchitecture(reader, falcon ? "FalconMambaForCausalLM" : "MambaForCausalLM");
  expectText(reader, "hidden_act", "silu");
  if (has(reader, "quantization_config") &&
      !json_is_null(json_object_get(reader->object, "quantization_config")))
    failValue(reader, MAMBA_UNSUPPORTED, "quantization_config", "weights that are not quantized");
  config.d_model = getDimension(reader, "hidden_size");
  config.n_layer = getDimension(reader, "num_hidden_layers");
  config.vocab_size = getDimensionOr(reader, "vocab_size", 50280);
  config.d_state = getDimension(reader, "state_size");
  config.d_conv = getDimension(reader, "conv_kernel");
  /* Files converted from other spellings may hold a stale `expand`, though not nonsense; transformers uses
   * intermediate_size. */
  const bool given = has(reader, "intermediate_size");
  const int64_t expand = given ? getDimensionOr(reader, "expand", 1) : getDimension(reader, "expand");
  config.d_inner =
      given ? getDimension(reader, "intermediate_size") : getInner(reader, expand, config.d_model);
  config.dt_rank = getRank(reader, "time_step_rank", config.d_model);
  config.norm_epsilon = getEpsilon(reader, "layer_norm_epsilon");
  if (falcon)
    config.mixer_epsilon = has(reader, "mixer_rms_eps") ? getEpsilon(reader, "mixer_rms_eps") : 1e-6;
  config.tie_embeddings = getBool(reader, "tie_word_embeddings", true);
  config.use_conv_bias = getBool(reader, "use_conv_bias", true);
  config.use_bias = getBool(reader, "use_bias", false);
  config.eos_token_id = getToken(reader, "eos_token_id", config.vocab_size);
  return config;
}

/* Arguments of state-spaces/mamba's class Mamba. One that is not listed belongs to another mixer. */
static void readMixer(Reader *reader, MambaConfig *config) {
  static const char *const known[] = {"d_state",  "d_conv",        "expand",       "dt_rank", "conv_bias",
                                      "bias",     "layer",         "dt_min",       "dt_max",  "dt_init",
                                      "dt_scale", "dt_init_floor", "use_fast_path"};
  const char *key;
  json_t *value;
  expectText(reader, "layer", "Mamba1");
  json_object_foreach(reader->object, key, value) {
    size_t i = 0;
    while (i < sizeof known / sizeof *known && strcmp(key, known[i]) != 0)
      i++;
    if (i == sizeof known / sizeof *known)
      failValue(reader, MAMBA_UNSUPPORTED, key, "an argument of Mamba-1's mixer");
  }
  config->d_state = getDimensionOr(reader, "d_state", 16);
  config->d_conv = getDimensionOr(reader, "d_conv", 4);
  config->d_inner = getInner(reader, getDimensionOr(reader, "expand", 2), config->d_model);
  config->dt_rank = getRank(reader, "dt_rank", config->d_model);
  config->use_conv_bias = getBool(reader, "conv_bias", true);
  config->use_bias = getBool(reader, "bias", false);
}

/* Options that put attention or MLP blocks between the Mamba blocks. */
static void expectNoHybrid(Reader *reader) {
  const json_t *indices = json_object_get(reader->object, "attn_layer_idx");
  const json_t *attention = json_object_get(reader->object, "attn_cfg");
  if (has(reader, "d_intermediate") &&
      getInteger(reader, "d_intermediate", 0, MAMBA_CONFIG_MAX_DIMENSION) != 0)
    failValue(reader, MAMBA_UNSUPPORTED, "d_intermediate", "0, a model without MLP blocks");
  if (indices && json_array_size(indices) != 0)
    failValue(reader, MAMBA_UNSUPPORTED, "attn_layer_idx", "[], a model without attention");
  else if (indices && !json_is_array(indices))
    failValue(reader, MAMBA_INVALID, "attn_layer_idx", "[]");
  if (attention && json_object_size(attention) != 0)
    failValue(reader, MAMBA_UNSUPPORTED, "attn_cfg", "{}, a model without attention");
  else if (attention && !json_is_object(attention))
    failValue(reader, MAMBA_INVALID, "attn_cfg", "{}");
}

/* state-spaces/mamba's MambaConfig, with the defaults of its classes. */
static MambaConfig readOriginal(Reader *reader) {
  MambaConfig config = {.flavour = MAMBA_CONFIG_ORIGINAL, .norm_epsilon = 1e-5};
  config.d_model = getDimension(reader, "d_model");
  config.n_layer = getDimension(reader, "n_layer");
  config.vocab_size = getDimension(reader, "vocab_size");
  const int64_t multiple = getDimensionOr(reader, "pad_vocab_size_multiple", 8);
  const int64_t padded = (config.vocab_size + multiple - 1) / multiple * multiple;
  if (padded > MAMBA_CONFIG_MAX_DIMENSION)
    failValue(reader, MAMBA_INVALID, "pad_vocab_size_multiple", "a vocabulary of at most 1048576 rows");
  config.vocab_size = padded;
  expectNoHybrid(reader);
  if (!getBool(reader, "rms_norm", true))
    failValue(reader, MAMBA_UNSUPPORTED, "rms_norm", "true");
  config.tie_embeddings = getBool(reader, "tie_embeddings", true);
  config.eos_token_id = getToken(reader, "eos_token_id", config.vocab_size);

  json_t *none = json_object(); /* NULL reads as an empty object, too */
  Reader mixer = *reader;
  mixer.object = has(reader, "ssm_cfg") ? json_object_get(reader->object, "ssm_cfg") : none;
  mixer.prefix = "ssm_cfg.";
  if (mixer.object && !json_is_object(mixer.object))
    failValue(reader, MAMBA_INVALID, "ssm_cfg", "an object");
  mixer.status = reader->status;
  readMixer(&mixer, &config);
  reader->status = mixer.status;
  json_decref(none);
  return config;
}

MambaStatus mambaConfigParse(const void *text, size_t size, const char *label, MambaConfig *config,
                             MambaError *error) {
  MambaConfig result;
  json_t *root = NULL;
  const MambaStatus status = mambaJsonParseObject(text, size, label, &root, error);
  if (status != MAMBA_OK)
    return status;
  Reader reader = {root, label, "", error, MAMBA_OK};
  /* Some published files have the keys of both: transformers reads its own. */
  if (has(&reader, "model_type") || has(&reader, "hidden_size"))
    result = readHF(&reader);
  else if (has(&reader, "d_model"))
    result = readOriginal(&reader);
  else
    reader.status =
        mambaFail(error, MAMBA_INVALID,
                  "%s: expected hidden_size (transformers) or d_model (state-spaces), found neither", label);
  if (reader.status == MAMBA_OK)
    *config = result;
  json_decref(root);
  return reader.status;
}

MambaStatus mambaConfigRead(const char *path, MambaConfig *config, MambaError *error) {
  static const char name[] = "/config.json";
  MambaStatus status = MAMBA_OK;
  MambaMappedFile file = {NULL, 0};
  struct stat info;
  const bool folder = stat(path, &info) == 0 && S_ISDIR(info.st_mode);
  const size_t capacity = strlen(path) + sizeof name;
  char *full = malloc(capacity);
  if (!full)
    return mambaFail(error, MAMBA_NO_MEMORY, "%s: out of memory", path);
  snprintf(full, capacity, "%s%s", path, folder ? name : "");
  status = mambaMappedFileOpen(full, &file, error);
  if (status == MAMBA_OK)
    status = mambaConfigParse(file.data, file.size, full, config, error);
  mambaMappedFileClose(&file);
  free(full);
  return status;
}
