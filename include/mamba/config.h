/* config.json of a Mamba-1 language model, and the tensors that such a model must have. */
#ifndef MAMBA_CONFIG_H
#define MAMBA_CONFIG_H

#include "mamba/checkpoint.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum MambaConfigFlavour {
  MAMBA_CONFIG_HF,       /* Hugging Face transformers, MambaForCausalLM or FalconMambaForCausalLM */
  MAMBA_CONFIG_ORIGINAL, /* state-spaces/mamba, MambaLMHeadModel */
} MambaConfigFlavour;

typedef struct MambaConfig {
  MambaConfigFlavour flavour;
  int64_t d_model; /* width of the residual stream */
  int64_t n_layer;
  int64_t vocab_size; /* rows of the embedding, padding included */
  int64_t d_state;    /* N, states per channel */
  int64_t d_conv;     /* taps of the causal convolution */
  int64_t d_inner;    /* channels of the mixer, usually 2 d_model */
  int64_t dt_rank;    /* R, inner width of the time step's projection */
  double norm_epsilon;
  double mixer_epsilon; /* of FalconMamba's norms of dt, B and C; 0 in a model without them */
  bool tie_embeddings; /* the head is the embedding */
  bool use_conv_bias;
  bool use_bias;        /* in_proj and out_proj have biases */
  bool stores_a;        /* A itself is stored, not its logarithm: GGUF */
  int64_t eos_token_id; /* -1 when not given */
} MambaConfig;

enum { MAMBA_CONFIG_MAX_DIMENSION = 1 << 20 };

/* Reads `path`, or config.json in it when it is a folder. MAMBA_UNSUPPORTED for architectures and
 * options other than Mamba-1's; MAMBA_INVALID for a missing, wrongly typed or out-of-range value.
 * Every dimension of the result is in [1, MAMBA_CONFIG_MAX_DIMENSION], so products of three fit int64_t. */
MAMBA_MUST_CHECK MambaStatus mambaConfigRead(const char *path, MambaConfig *config, MambaError *error);
/* The same for text in memory, named `label` in messages. */
MAMBA_MUST_CHECK MambaStatus mambaConfigParse(const void *text, size_t size, const char *label,
                                              MambaConfig *config, MambaError *error);

/* From the values of a GGUF file of architecture "mamba" and the presence of its tensors; fails as
 * mambaConfigRead does. The flavour is MAMBA_CONFIG_HF: so a checkpoint presents the tensors of such a file. */
MAMBA_MUST_CHECK MambaStatus mambaConfigReadGguf(const MambaCheckpoint *checkpoint, MambaConfig *config,
                                                 MambaError *error);

/* From the shapes of an exported graph's parameters and what was recognised of it. */
MAMBA_MUST_CHECK MambaStatus mambaConfigReadGraph(const MambaCheckpoint *checkpoint, MambaConfig *config,
                                                  MambaError *error);

/* The parameters of a model. Those from NORM to OUT_PROJ_BIAS exist once a layer. */
typedef enum MambaParameter {
  MAMBA_PARAMETER_EMBEDDING,     /* [vocab_size, d_model] */
  MAMBA_PARAMETER_NORM,          /* [d_model] */
  MAMBA_PARAMETER_IN_PROJ,       /* [2 d_inner, d_model]: rows of x, then of z */
  MAMBA_PARAMETER_IN_PROJ_BIAS,  /* [2 d_inner], when use_bias */
  MAMBA_PARAMETER_CONV,          /* [d_inner, 1, d_conv] */
  MAMBA_PARAMETER_CONV_BIAS,     /* [d_inner], when use_conv_bias */
  MAMBA_PARAMETER_X_PROJ,        /* [dt_rank + 2 d_state, d_inner]: rows of dt, B, C */
  MAMBA_PARAMETER_DT_PROJ,       /* [d_inner, dt_rank] */
  MAMBA_PARAMETER_DT_PROJ_BIAS,  /* [d_inner] */
  MAMBA_PARAMETER_A_LOG,         /* [d_inner, d_state]: A = -exp(A_log); unless stores_a */
  MAMBA_PARAMETER_A,             /* [d_inner, d_state], when stores_a */
  MAMBA_PARAMETER_D,             /* [d_inner] */
  MAMBA_PARAMETER_OUT_PROJ,      /* [d_model, d_inner] */
  MAMBA_PARAMETER_OUT_PROJ_BIAS, /* [d_model], when use_bias */
  MAMBA_PARAMETER_FINAL_NORM,    /* [d_model] */
  MAMBA_PARAMETER_HEAD,          /* [vocab_size, d_model], when not tied */
  MAMBA_PARAMETER_COUNT
} MambaParameter;

enum { MAMBA_PARAMETER_MAX_KEY = 96 };

typedef struct MambaParameterSpec {
  char key[MAMBA_PARAMETER_MAX_KEY]; /* its name in a checkpoint of the configuration's flavour */
  int rank;
  int64_t shape[3];
} MambaParameterSpec;

bool mambaParameterIsPerLayer(MambaParameter parameter);

/* Describes one parameter; `layer` counts only where mambaParameterIsPerLayer. False when a model of
 * this configuration does not have it (a bias that is off; the head of a tied model). */
bool mambaConfigGetParameter(const MambaConfig *config, MambaParameter parameter, int64_t layer,
                             MambaParameterSpec *spec);

/* The checkpoint's tensor for a parameter, NULL when absent. The embedding is found under either
 * flavour's key; the view's name is the one in use. */
const MambaTensorView *mambaConfigFindTensor(const MambaConfig *config, const MambaCheckpoint *checkpoint,
                                             MambaParameter parameter, int64_t layer);

/* Every parameter is there with its exact shape as F32, F16 or BF16, and nothing else is; a tied
 * model may also hold the head, equal to the embedding in type, shape and bytes. */
MAMBA_MUST_CHECK MambaStatus mambaConfigCheckTensors(const MambaConfig *config,
                                                     const MambaCheckpoint *checkpoint, MambaError *error);

#ifdef __cplusplus
}
#endif
#endif
