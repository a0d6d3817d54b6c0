/* The configuration in a GGUF file, as llama.cpp's converter writes it for architecture "mamba". */
#include "mamba/config.h"

#include <string.h>

/* After the first failure `status` says so and the getters give their fallback. */
typedef struct Reader {
  const MambaGguf *file;
  MambaError *error;
  MambaStatus status;
} Reader;

static int64_t getInteger(Reader *r, const char *key, int64_t low, int64_t high) {
  int64_t value = low;
  if (r->status == MAMBA_OK)
    r->status = mambaGgufGetInteger(r->file, key, low, high, &value, r->error);
  return r->status == MAMBA_OK ? value : low;
}

static int64_t getDimension(Reader *r, const char *key) {
  return getInteger(r, key, 1, MAMBA_CONFIG_MAX_DIMENSION);
}

static void expectMamba(Reader *r) {
  static const char key[] = "general.architecture", mamba[] = "mamba";
  MambaGgufText text = {"", 0};
  r->status = mambaGgufGetText(r->file, key, &text, r->error);
  if (r->status == MAMBA_OK && (text.size != strlen(mamba) || memcmp(text.data, mamba, text.size) != 0))
    r->status = mambaFail(r->error, MAMBA_UNSUPPORTED, "%s: key '%s': expected \"%s\", found \"%.*s\"",
                          mambaGgufGetLabel(r->file), key, mamba, (int)text.size, text.data);
}

/* FalconMamba has the same architecture name. */
static void expectNoInnerNorm(Reader *r) {
  static const char key[] = "mamba.ssm.dt_b_c_rms";
  bool value = false;
  if (r->status == MAMBA_OK && mambaGgufHas(r->file, key))
    r->status = mambaGgufGetBool(r->file, key, &value, r->error);
  if (r->status == MAMBA_OK && value)
    r->status = mambaFail(r->error, MAMBA_UNSUPPORTED,
                          "%s: key '%s': expected false, found true: norms of dt, B and C are not supported",
                          mambaGgufGetLabel(r->file), key);
}

static double getEpsilon(Reader *r) {
  static const char key[] = "mamba.attention.layer_norm_rms_epsilon";
  double value = 1;
  if (r->status == MAMBA_OK)
    r->status = mambaGgufGetFloat(r->file, key, &value, r->error);
  if (r->status == MAMBA_OK && !(value > 0 && value <= 1))
    r->status = mambaFail(r->error, MAMBA_INVALID, "%s: key '%s': expected a number in (0, 1], found %g",
                          mambaGgufGetLabel(r->file), key, value);
  return value;
}

static int64_t getVocabulary(Reader *r, const MambaCheckpoint *checkpoint) {
  const MambaTensorView *table = mambaCheckpointFind(checkpoint, "backbone.embeddings.weight");
  if (r->status == MAMBA_OK &&
      (!table || table->rank != 2 || table->shape[0] < 1 || table->shape[0] > MAMBA_CONFIG_MAX_DIMENSION))
    r->status = mambaFail(r->error, MAMBA_INVALID,
                          "%s: tensor 'token_embd.weight': expected a matrix of 1 to %d rows, found %s",
                          mambaGgufGetLabel(r->file), MAMBA_CONFIG_MAX_DIMENSION, table ? "another" : "none");
  return r->status == MAMBA_OK ? table->shape[0] : 1;
}

MambaStatus mambaConfigReadGguf(const MambaCheckpoint *checkpoint, MambaConfig *config, MambaError *error) {
  static const char end[] = "tokenizer.ggml.eos_token_id";
  Reader r = {mambaCheckpointGetGguf(checkpoint), error, MAMBA_OK};
  MambaConfig result = {.flavour = MAMBA_CONFIG_HF, .eos_token_id = -1};
  expectMamba(&r);
  expectNoInnerNorm(&r);
  result.d_model = getDimension(&r, "mamba.embedding_length");
  result.n_layer = getDimension(&r, "mamba.block_count");
  result.d_conv = getDimension(&r, "mamba.ssm.conv_kernel");
  result.d_inner = getDimension(&r, "mamba.ssm.inner_size");
  result.d_state = getDimension(&r, "mamba.ssm.state_size");
  result.dt_rank = getDimension(&r, "mamba.ssm.time_step_rank");
  result.norm_epsilon = getEpsilon(&r);
  result.vocab_size = getVocabulary(&r, checkpoint);
  if (mambaGgufHas(r.file, end))
    result.eos_token_id = getInteger(&r, end, 0, result.vocab_size - 1);
  result.tie_embeddings = !mambaCheckpointFind(checkpoint, "lm_head.weight");
  result.use_conv_bias = mambaCheckpointFind(checkpoint, "backbone.layers.0.mixer.conv1d.bias") != NULL;
  result.stores_a = mambaCheckpointFind(checkpoint, "backbone.layers.0.mixer.A") != NULL;
  if (r.status == MAMBA_OK)
    *config = result;
  return r.status;
}
