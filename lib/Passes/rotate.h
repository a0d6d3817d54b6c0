/* The parts of mamba-rotate. */
#ifndef MAMBA_PASSES_ROTATE_H
#define MAMBA_PASSES_ROTATE_H

#include "mamba/ir.h"

/* Rotates the residual stream (rotate_residual.c). False after a diagnostic. */
bool rotateResidual(MlirOperation module);

/* A diagnostic: no Hadamard matrix has that many channels. */
void refuseHadamard(MlirValue value);

#endif
