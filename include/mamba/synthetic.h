/* Models with the shapes of the published ones and random weights, to measure speed without a download. */
#ifndef MAMBA_SYNTHETIC_H
#define MAMBA_SYNTHETIC_H

#include "mamba/config.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct MambaSyntheticShape {
  const char *name;
  int64_t d_model, layers;
} MambaSyntheticShape;

/* All shapes. The entry after the last has a NULL name. */
extern const MambaSyntheticShape kMambaSyntheticShapes[];

/* The shape of state-spaces/mamba-<name>, with `layers` layers
 * instead of its own when that is positive. MAMBA_INVALID with a list for another name. */
MAMBA_MUST_CHECK MambaStatus mambaSyntheticConfig(const char *name, int64_t layers, MambaConfig *config,
                                                  MambaError *error);

/* Writes a Hugging Face checkpoint of this configuration (config.json and model.safetensors in BF16, no
 * tokenizer) into `folder`, which exists. The distributions are those in which Mamba models are initialised
 * (Gu and Dao 2023, section 3.6 and the code beside the paper), so activations stay finite. A weight depends
 * on `seed`, its parameter and its place only: the same bytes on every machine. Memory does not grow with the
 * model. */
MAMBA_MUST_CHECK MambaStatus mambaSyntheticWrite(const MambaConfig *config, uint64_t seed, const char *folder,
                                                 MambaError *error);

#ifdef __cplusplus
}
#endif
#endif
