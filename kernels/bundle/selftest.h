/* Comparison with the reference executor's logits, which golden.c holds. */
#ifndef MAMBA_SELFTEST_H
#define MAMBA_SELFTEST_H

#include "model.h"

/* Runs every golden sequence at once and token by token, and prints a line for each. MAMBA_CODE_BUILD when
 * bytes differ. The model's sequence is lost. */
mamba_code mamba_selftest(mamba_model *model, mamba_error *error);

#endif
