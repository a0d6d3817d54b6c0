#include "mamba/synthetic.h"

#include "half.h" /* of kernels/ */
#include "mamba/output_file.h"
#include "mamba/safetensors_writer.h"
#include "mamba/suggest.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PIECE = 1 << 15 }; /* elements that are in memory */

const MambaSyntheticShape kMambaSyntheticShapes[] = {
    {"130m", 768, 24}, {"370m", 1024, 48}, {"790m", 1536, 48}, {"1.4b", 2048, 48}, {"2.8b", 2560, 64}, {NULL, 0, 0}};

MambaStatus mambaSyntheticConfig(const char *name, int64_t layers, MambaConfig *config, MambaError *error) {
  for (const MambaSyntheticShape *shape = kMambaSyntheticShapes; shape->name; shape++) {
    const int64_t d_model = shape->d_model;
    if (strcmp(name, shape->name))
      continue;
    *config = (MambaConfig){
        .flavour = MAMBA_CONFIG_HF,
        .d_model = d_model,
        .n_layer = layers > 0 ? layers : shape->layers,
        .vocab_size = 50280,
        .d_state = 16,
        .d_conv = 4,
        .d_inner = 2 * d_model,
        .dt_rank = (d_model + 15) / 16,
        .norm_epsilon = 1e-5,
        .tie_embeddings = true,
        .use_conv_bias = true,
        .eos_token_id = 0,
    };
    return MAMBA_OK;
  }
  char expected[256];
  (void)mambaSuggestKnows(&kMambaSyntheticShapes->name, sizeof *kMambaSyntheticShapes, name, expected, sizeof expected);
  return mambaFail(error, MAMBA_INVALID, "%s", expected);
}

/* ---- Random numbers ----------------------------------------------------------------------------- */

/* Number `i` of a stream: splitmix64 (Steele, Lea and Flood 2014). */
static uint64_t randomBits(uint64_t stream, uint64_t i) {
  uint64_t z = stream + (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

/* Uniform in (0, 1). */
static float uniform(uint64_t bits) {
  return ((float)(bits >> 41) + 0.5f) * 0x1p-23f;
}

/* Mean 0, variance 1: the sum of four uniform numbers of 16 bits, which needs no function of the C library.
 */
static float normal(uint64_t bits) {
  const int64_t sum = (int64_t)(bits & 0xffff) + (int64_t)(bits >> 16 & 0xffff) +
                      (int64_t)(bits >> 32 & 0xffff) + (int64_t)(bits >> 48);
  return (float)(sum - 2 * 0xffff) * (1.7320508f / 65536);
}

/* ---- Distributions ------------------------------------------------------------------------------ */

/* Element `i` of a parameter. Logarithms of the C library may differ between systems in the last of their 53
 * bits; of the result eight are kept. */
static float valueOf(const MambaConfig *config, MambaParameter parameter, const MambaParameterSpec *spec,
                     uint64_t bits, int64_t i) {
  const float fan_in = (float)spec->shape[spec->rank - 1];
  switch (parameter) {
  case MAMBA_PARAMETER_EMBEDDING:
  case MAMBA_PARAMETER_HEAD:
    return 0.02f * normal(bits);
  case MAMBA_PARAMETER_CONV:
  case MAMBA_PARAMETER_DT_PROJ:
    return (2 * uniform(bits) - 1) / sqrtf(fan_in);
  case MAMBA_PARAMETER_CONV_BIAS:
    return (2 * uniform(bits) - 1) / sqrtf((float)config->d_conv);
  case MAMBA_PARAMETER_DT_PROJ_BIAS: {
    /* softplus(bias) is log-uniform in [0.001, 0.1]; its inverse is log(e^x - 1). */
    const double step = 0.001 * exp(uniform(bits) * log(100));
    return (float)log(expm1(step));
  }
  case MAMBA_PARAMETER_A_LOG:
    return (float)log((double)(i % config->d_state + 1));
  case MAMBA_PARAMETER_NORM:
  case MAMBA_PARAMETER_FINAL_NORM:
  case MAMBA_PARAMETER_D:
    return 1;
  case MAMBA_PARAMETER_OUT_PROJ: /* so that the residual stream does not grow with depth */
    return normal(bits) / sqrtf(fan_in * (float)config->n_layer);
  default:
    return normal(bits) / sqrtf(fan_in);
  }
}

static MambaStatus appendTensor(MambaSafetensorsWriter *writer, const MambaConfig *config,
                                MambaParameter parameter, const MambaParameterSpec *spec, uint64_t stream,
                                MambaError *error) {
  uint16_t piece[PIECE];
  int64_t count = 1;
  MambaStatus status = MAMBA_OK;
  for (int axis = 0; axis < spec->rank; axis++)
    count *= spec->shape[axis];
  for (int64_t done = 0; done < count && !status;) {
    const int64_t part = count - done < PIECE ? count - done : PIECE;
    for (int64_t i = 0; i < part; i++) {
      const float value =
          valueOf(config, parameter, spec, randomBits(stream, (uint64_t)(done + i)), done + i);
      piece[i] = mambaFloatToBfloat(value);
    }
    status = mambaSafetensorsWriterAppend(writer, spec->key, piece, (size_t)part * sizeof *piece, error);
    done += part;
  }
  return status;
}

/* ---- The files ---------------------------------------------------------------------------------- */

/* Declares every tensor, or appends the data of every tensor. */
static MambaStatus visit(MambaSafetensorsWriter *writer, const MambaConfig *config, uint64_t seed,
                         bool append, MambaError *error) {
  MambaStatus status = MAMBA_OK;
  for (int parameter = 0; parameter < MAMBA_PARAMETER_COUNT; parameter++) {
    const int64_t layers = mambaParameterIsPerLayer((MambaParameter)parameter) ? config->n_layer : 1;
    for (int64_t layer = 0; layer < layers && !status; layer++) {
      MambaParameterSpec spec;
      if (!mambaConfigGetParameter(config, (MambaParameter)parameter, layer, &spec))
        continue;
      const uint64_t stream = randomBits(randomBits(seed, (uint64_t)parameter), (uint64_t)layer);
      if (append)
        status = appendTensor(writer, config, (MambaParameter)parameter, &spec, stream, error);
      else
        status =
            mambaSafetensorsWriterDeclare(writer, spec.key, MAMBA_DTYPE_BF16, spec.rank, spec.shape, error);
    }
  }
  return status;
}

static MambaStatus writeWeights(const MambaConfig *config, uint64_t seed, const char *path,
                                MambaError *error) {
  MambaSafetensorsWriter *writer = NULL;
  MambaStatus status = mambaSafetensorsWriterCreate(path, &writer, error);
  if (!status)
    status = visit(writer, config, seed, false, error);
  if (!status)
    status = visit(writer, config, seed, true, error);
  if (!status)
    status = mambaSafetensorsWriterFinish(writer, error);
  mambaSafetensorsWriterDestroy(writer);
  return status;
}

static MambaStatus writeConfig(const MambaConfig *config, const char *path, MambaError *error) {
  char text[1024];
  const int length = snprintf(
      text, sizeof text,
      "{\n  \"architectures\": [\"MambaForCausalLM\"],\n  \"model_type\": \"mamba\",\n  \"hidden_size\": "
      "%" PRId64 ",\n  \"intermediate_size\": %" PRId64 ",\n  \"state_size\": %" PRId64
      ",\n  \"conv_kernel\": %" PRId64 ",\n  \"time_step_rank\": %" PRId64
      ",\n  \"num_hidden_layers\": %" PRId64 ",\n  \"vocab_size\": %" PRId64
      ",\n  \"layer_norm_epsilon\": %.17g,\n  \"hidden_act\": \"silu\",\n"
      "  \"use_bias\": false,\n  \"use_conv_bias\": true,\n  \"tie_word_embeddings\": true,\n"
      "  \"eos_token_id\": %" PRId64 "\n}\n",
      config->d_model, config->d_inner, config->d_state, config->d_conv, config->dt_rank, config->n_layer,
      config->vocab_size, config->norm_epsilon, config->eos_token_id);
  return mambaOutputFileSave(path, text, (size_t)length, error);
}

MambaStatus mambaSyntheticWrite(const MambaConfig *config, uint64_t seed, const char *folder,
                                MambaError *error) {
  char path[4096];
  if (snprintf(path, sizeof path, "%s/model.safetensors", folder) >= (int)sizeof path)
    return mambaFail(error, MAMBA_INVALID, "%s: the path is too long", folder);
  const MambaStatus status = writeWeights(config, seed, path, error);
  if (status)
    return status;
  snprintf(path, sizeof path, "%s/config.json", folder);
  return writeConfig(config, path, error);
}
