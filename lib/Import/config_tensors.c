/* The parameters that a configuration asks for, and whether a checkpoint has them. */
#include "mamba/config.h"
#include "mamba/suggest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a dimension of a parameter is. */
typedef enum Extent {
  ONE,
  D_MODEL,
  D_INNER,
  TWICE_D_INNER,
  D_STATE,
  D_CONV,
  DT_RANK,
  DT_B_C,
  VOCABULARY,
} Extent;

/* When a parameter exists. */
typedef enum Presence { ALWAYS, WITH_BIAS, WITH_CONV_BIAS, UNTIED, LOGARITHM, NO_LOGARITHM } Presence;

static const struct {
  const char *key; /* behind "backbone.layers.N." if it is one of a layer */
  bool perLayer;
  Presence presence;
  int rank;
  Extent shape[3];
} parameters[MAMBA_PARAMETER_COUNT] = {
    [MAMBA_PARAMETER_EMBEDDING] = {"backbone.embeddings.weight", false, ALWAYS, 2, {VOCABULARY, D_MODEL}},
    [MAMBA_PARAMETER_NORM] = {"norm.weight", true, ALWAYS, 1, {D_MODEL}},
    [MAMBA_PARAMETER_IN_PROJ] = {"mixer.in_proj.weight", true, ALWAYS, 2, {TWICE_D_INNER, D_MODEL}},
    [MAMBA_PARAMETER_IN_PROJ_BIAS] = {"mixer.in_proj.bias", true, WITH_BIAS, 1, {TWICE_D_INNER}},
    [MAMBA_PARAMETER_CONV] = {"mixer.conv1d.weight", true, ALWAYS, 3, {D_INNER, ONE, D_CONV}},
    [MAMBA_PARAMETER_CONV_BIAS] = {"mixer.conv1d.bias", true, WITH_CONV_BIAS, 1, {D_INNER}},
    [MAMBA_PARAMETER_X_PROJ] = {"mixer.x_proj.weight", true, ALWAYS, 2, {DT_B_C, D_INNER}},
    [MAMBA_PARAMETER_DT_PROJ] = {"mixer.dt_proj.weight", true, ALWAYS, 2, {D_INNER, DT_RANK}},
    [MAMBA_PARAMETER_DT_PROJ_BIAS] = {"mixer.dt_proj.bias", true, ALWAYS, 1, {D_INNER}},
    [MAMBA_PARAMETER_A_LOG] = {"mixer.A_log", true, LOGARITHM, 2, {D_INNER, D_STATE}},
    [MAMBA_PARAMETER_A] = {"mixer.A", true, NO_LOGARITHM, 2, {D_INNER, D_STATE}},
    [MAMBA_PARAMETER_D] = {"mixer.D", true, ALWAYS, 1, {D_INNER}},
    [MAMBA_PARAMETER_OUT_PROJ] = {"mixer.out_proj.weight", true, ALWAYS, 2, {D_MODEL, D_INNER}},
    [MAMBA_PARAMETER_OUT_PROJ_BIAS] = {"mixer.out_proj.bias", true, WITH_BIAS, 1, {D_MODEL}},
    [MAMBA_PARAMETER_FINAL_NORM] = {"backbone.norm_f.weight", false, ALWAYS, 1, {D_MODEL}},
    [MAMBA_PARAMETER_HEAD] = {"lm_head.weight", false, UNTIED, 2, {VOCABULARY, D_MODEL}},
};

/* The one key in which the flavours differ. */
static const char originalEmbeddingKey[] = "backbone.embedding.weight";

static int64_t getExtent(const MambaConfig *config, Extent extent) {
  switch (extent) {
  case D_MODEL:
    return config->d_model;
  case D_INNER:
    return config->d_inner;
  case TWICE_D_INNER:
    return 2 * config->d_inner;
  case D_STATE:
    return config->d_state;
  case D_CONV:
    return config->d_conv;
  case DT_RANK:
    return config->dt_rank;
  case DT_B_C:
    return config->dt_rank + 2 * config->d_state;
  case VOCABULARY:
    return config->vocab_size;
  case ONE:
    break;
  }
  return 1;
}

static bool isPresent(const MambaConfig *config, Presence presence) {
  switch (presence) {
  case WITH_BIAS:
    return config->use_bias;
  case WITH_CONV_BIAS:
    return config->use_conv_bias;
  case UNTIED:
    return !config->tie_embeddings;
  case LOGARITHM:
    return !config->stores_a;
  case NO_LOGARITHM:
    return config->stores_a;
  case ALWAYS:
    break;
  }
  return true;
}

/* Fills in key and shape, whether or not the model has the parameter. */
static void describe(const MambaConfig *config, MambaParameter parameter, int64_t layer,
                     MambaParameterSpec *spec) {
  if (parameters[parameter].perLayer)
    snprintf(spec->key, sizeof spec->key, "backbone.layers.%" PRId64 ".%s", layer, parameters[parameter].key);
  else
    snprintf(spec->key, sizeof spec->key, "%s",
             parameter == MAMBA_PARAMETER_EMBEDDING && config->flavour == MAMBA_CONFIG_ORIGINAL
                 ? originalEmbeddingKey
                 : parameters[parameter].key);
  spec->rank = parameters[parameter].rank;
  for (int i = 0; i < 3; i++)
    spec->shape[i] = i < spec->rank ? getExtent(config, parameters[parameter].shape[i]) : 1;
}

bool mambaParameterIsPerLayer(MambaParameter parameter) {
  return parameters[parameter].perLayer;
}

bool mambaConfigGetParameter(const MambaConfig *config, MambaParameter parameter, int64_t layer,
                             MambaParameterSpec *spec) {
  if (!isPresent(config, parameters[parameter].presence))
    return false;
  describe(config, parameter, layer, spec);
  return true;
}

const MambaTensorView *mambaConfigFindTensor(const MambaConfig *config, const MambaCheckpoint *checkpoint,
                                             MambaParameter parameter, int64_t layer) {
  MambaParameterSpec spec;
  describe(config, parameter, layer, &spec);
  const MambaTensorView *tensor = mambaCheckpointFind(checkpoint, spec.key);
  if (!tensor && parameter == MAMBA_PARAMETER_EMBEDDING) {
    const bool original = config->flavour == MAMBA_CONFIG_ORIGINAL;
    tensor = mambaCheckpointFind(checkpoint, original ? parameters[parameter].key : originalEmbeddingKey);
  }
  return tensor;
}

static MambaStatus checkTensor(const MambaTensorView *tensor, const MambaParameterSpec *spec,
                               MambaError *error) {
  char expected[MAMBA_SHAPE_TEXT], found[MAMBA_SHAPE_TEXT];
  if (tensor->rank != spec->rank || memcmp(tensor->shape, spec->shape, (size_t)spec->rank * sizeof(int64_t)))
    return mambaFail(error, MAMBA_INVALID, "tensor '%s': expected shape %s by the configuration, found %s",
                     tensor->name, mambaShapeFormat(spec->rank, spec->shape, expected),
                     mambaShapeFormat(tensor->rank, tensor->shape, found));
  if (tensor->dtype != MAMBA_DTYPE_F32 && tensor->dtype != MAMBA_DTYPE_F16 &&
      tensor->dtype != MAMBA_DTYPE_BF16 && tensor->dtype != MAMBA_DTYPE_Q8_0)
    return mambaFail(error, MAMBA_UNSUPPORTED, "tensor '%s': expected F32, F16 or BF16, found %s",
                     tensor->name, mambaDtypeGetName(tensor->dtype));
  return MAMBA_OK;
}

/* The name that a missing tensor may go by: the nearest of those that the configuration does not know. */
static MambaStatus failMissing(const MambaCheckpoint *checkpoint, const MambaParameterSpec *spec,
                               const bool *seen, MambaError *error) {
  MambaSuggestion suggestion = mambaSuggestFor(spec->key, strlen(spec->key));
  char shape[MAMBA_SHAPE_TEXT], guess[256] = "";
  for (size_t i = 0; i < mambaCheckpointGetCount(checkpoint); i++) {
    const char *name = mambaCheckpointGet(checkpoint, i)->name;
    if (!seen[i])
      mambaSuggestConsider(&suggestion, name, strlen(name));
  }
  mambaSuggestAppend(&suggestion, guess, sizeof guess);
  return mambaFail(error, MAMBA_INVALID,
                   "tensor '%s': expected shape %s by the configuration, found no such tensor%s", spec->key,
                   mambaShapeFormat(spec->rank, spec->shape, shape), guess);
}

/* Checks one parameter. `seen` are the tensors that the configuration knows. */
static MambaStatus checkParameter(const MambaConfig *config, const MambaCheckpoint *checkpoint,
                                  MambaParameter parameter, int64_t layer, const bool *seen,
                                  MambaError *error) {
  MambaParameterSpec spec;
  if (!mambaConfigGetParameter(config, parameter, layer, &spec))
    return MAMBA_OK;
  const MambaTensorView *tensor = mambaConfigFindTensor(config, checkpoint, parameter, layer);
  return tensor ? checkTensor(tensor, &spec, error) : failMissing(checkpoint, &spec, seen, error);
}

/* A tied model needs no head of its own; if it has one, it must be the embedding. */
static MambaStatus checkTiedHead(const MambaConfig *config, const MambaCheckpoint *checkpoint, bool *seen,
                                 MambaError *error) {
  const MambaTensorView *head = mambaConfigFindTensor(config, checkpoint, MAMBA_PARAMETER_HEAD, 0);
  const MambaTensorView *embedding = mambaConfigFindTensor(config, checkpoint, MAMBA_PARAMETER_EMBEDDING, 0);
  MambaParameterSpec spec;
  if (!config->tie_embeddings || !head)
    return MAMBA_OK;
  seen[head - mambaCheckpointGet(checkpoint, 0)] = true;
  describe(config, MAMBA_PARAMETER_HEAD, 0, &spec);
  const MambaStatus status = checkTensor(head, &spec, error);
  if (status != MAMBA_OK)
    return status;
  if (head->dtype != embedding->dtype || memcmp(head->data, embedding->data, head->bytes) != 0)
    return mambaFail(
        error, MAMBA_INVALID,
        "tensor '%s': expected the same data as '%s', to which the configuration ties it; found others",
        head->name, embedding->name);
  return MAMBA_OK;
}

/* Marks the tensors of all parameters that the model has. A checkpoint with fewer tensors than layers lacks
 * some: then the layers beyond need no look. */
static void markParameters(const MambaConfig *config, const MambaCheckpoint *checkpoint, bool *seen) {
  const int64_t count = (int64_t)mambaCheckpointGetCount(checkpoint);
  const int64_t present = config->n_layer < count ? config->n_layer : count;
  for (int p = 0; p < MAMBA_PARAMETER_COUNT; p++) {
    const int64_t layers = mambaParameterIsPerLayer((MambaParameter)p) ? present : 1;
    for (int64_t layer = 0; layer < layers && isPresent(config, parameters[p].presence); layer++) {
      const MambaTensorView *tensor = mambaConfigFindTensor(config, checkpoint, (MambaParameter)p, layer);
      if (tensor)
        seen[tensor - mambaCheckpointGet(checkpoint, 0)] = true;
    }
  }
}

MambaStatus mambaConfigCheckTensors(const MambaConfig *config, const MambaCheckpoint *checkpoint,
                                    MambaError *error) {
  MambaStatus status = MAMBA_OK;
  const size_t count = mambaCheckpointGetCount(checkpoint);
  bool *seen = calloc(count + 1, sizeof *seen);
  if (!seen)
    return mambaFail(error, MAMBA_NO_MEMORY, "out of memory for %zu tensors", count);
  markParameters(config, checkpoint, seen);
  for (int p = 0; p < MAMBA_PARAMETER_COUNT; p++) {
    const int64_t layers = mambaParameterIsPerLayer((MambaParameter)p) ? config->n_layer : 1;
    for (int64_t layer = 0; layer < layers; layer++) {
      status = checkParameter(config, checkpoint, (MambaParameter)p, layer, seen, error);
      if (status != MAMBA_OK)
        goto cleanup;
    }
  }
  status = checkTiedHead(config, checkpoint, seen, error);
  if (status != MAMBA_OK)
    goto cleanup;
  for (size_t i = 0; i < count; i++) {
    if (!seen[i]) {
      status = mambaFail(error, MAMBA_INVALID, "tensor '%s': not a tensor of this configuration",
                         mambaCheckpointGet(checkpoint, i)->name);
      goto cleanup;
    }
  }

cleanup:
  free(seen);
  return status;
}
