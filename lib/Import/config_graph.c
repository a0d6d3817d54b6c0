/* The configuration of an exported graph: what its parameters' shapes say. */
#include "mamba/config.h"

static int64_t size(const MambaCheckpoint *checkpoint, const char *key, int axis) {
  const MambaTensorView *tensor = mambaCheckpointFind(checkpoint, key);
  return tensor && axis < tensor->rank ? tensor->shape[axis] : 0;
}

static bool has(const MambaCheckpoint *checkpoint, const char *key) {
  return mambaCheckpointFind(checkpoint, key) != NULL;
}

MambaStatus mambaConfigReadGraph(const MambaCheckpoint *checkpoint, MambaConfig *config, MambaError *error) {
  const MambaGraphModel *graph = mambaCheckpointGetGraph(checkpoint);
  MambaConfig result = {
      .flavour = MAMBA_CONFIG_HF,
      .d_model = size(checkpoint, "backbone.embeddings.weight", 1),
      .n_layer = mambaGraphModelGetLayers(graph),
      .vocab_size = size(checkpoint, "backbone.embeddings.weight", 0),
      .d_inner = size(checkpoint, "backbone.layers.0.mixer.conv1d.weight", 0),
      .d_conv = size(checkpoint, "backbone.layers.0.mixer.conv1d.weight", 2),
      .dt_rank = size(checkpoint, "backbone.layers.0.mixer.dt_proj.weight", 1),
      .norm_epsilon = mambaGraphModelGetNormEpsilon(graph),
      .mixer_epsilon = mambaGraphModelGetMixerEpsilon(graph),
      .tie_embeddings = !has(checkpoint, "lm_head.weight"),
      .use_conv_bias = has(checkpoint, "backbone.layers.0.mixer.conv1d.bias"),
      .use_bias = has(checkpoint, "backbone.layers.0.mixer.in_proj.bias"),
      .stores_a = has(checkpoint, "backbone.layers.0.mixer.A"),
      .eos_token_id = -1,
  };
  result.d_state =
      size(checkpoint, result.stores_a ? "backbone.layers.0.mixer.A" : "backbone.layers.0.mixer.A_log", 1);
  const int64_t sizes[] = {result.d_model, result.n_layer, result.vocab_size, result.d_inner,
                           result.d_conv,  result.dt_rank, result.d_state};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    if (sizes[i] < 1 || sizes[i] > MAMBA_CONFIG_MAX_DIMENSION)
      return mambaFail(error, MAMBA_UNSUPPORTED, "expected sizes from 1 to %d in the graph, found %lld",
                       MAMBA_CONFIG_MAX_DIMENSION, (long long)sizes[i]);
  *config = result;
  return MAMBA_OK;
}
