/* The mamba dialect for C: `mlirDialectHandleRegisterDialect(mlirGetDialectHandle__mamba__(), context)`. */
#ifndef MAMBA_DIALECT_H
#define MAMBA_DIALECT_H

#include "mlir-c/IR.h"

MLIR_DECLARE_CAPI_DIALECT_REGISTRATION(Mamba, mamba);

#endif
