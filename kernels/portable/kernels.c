/* Every portable kernel, for one instruction set: included by ../isa_<set>.c, which has chosen the
 * compiler's target and defines MAMBA_TABLE and MAMBA_TABLE_NAME. Only the table is visible outside. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off", "no-trapping-math", "no-math-errno")
#endif

#include "check.c"
#include "conv1d.c"
#include "embedding.c"
#include "hadamard.c"
#include "linear_float.c"
#include "linear_i8.c"
#include "quantize.c"
#include "rms_norm.c"
#include "selective_scan.c"

const mamba_kernel_table MAMBA_TABLE = {
    .name = MAMBA_TABLE_NAME,
    .embedding = embedding,
    .rms_norm = rms_norm,
    .linear_i8 = linear_i8,
    .linear_float = linear_float,
    .conv1d = conv1d,
    .selective_scan = selective_scan,
    .hadamard = hadamard,
    .quantize = quantize,
    .check_contract = check_contract,
};
