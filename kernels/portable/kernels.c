/* Every portable kernel, for one instruction set: included by ../isa_<set>.c, which has chosen the
 * compiler's target and defines MAMBA_TABLE. Only the table is visible outside. */
#include "../contract.h"

#include "check.c"
#include "conv1d.c"
#include "embedding.c"
#include "hadamard.c"
#include "linear_i8.c"
#include "quantize.c"
#include "rms_norm.c"
#include "selective_scan.c"

#ifdef MAMBA_VECTOR /* the set has vectors of its own: ../cpu/ */
#include MAMBA_VECTOR

#include "../cpu/vector_math.h"

#include "../cpu/conv1d.c"
#include "../cpu/hadamard.c"
#include "../cpu/linear_float.c"
#include "../cpu/quantize.c"
#include "../cpu/rms_norm.c"
#include "../cpu/selective_scan.c"
#define BEST(kernel) vector_##kernel
#else
#include "linear_float.c"
#define BEST(kernel) kernel
#endif

const mamba_kernel_table MAMBA_TABLE = {
    .embedding = embedding,
    .rms_norm = BEST(rms_norm),
    .linear_i8 = linear_i8,
    .linear_float = BEST(linear_float),
    .linear_w8 = BEST(linear_w8),
    .linear_w4 = BEST(linear_w4),
    .conv1d = BEST(conv1d),
    .selective_scan = BEST(selective_scan),
    .selective_scan_i8 = BEST(selective_scan_i8),
    .hadamard = BEST(hadamard),
    .quantize = BEST(quantize),
    .check_contract = check_contract,
};
