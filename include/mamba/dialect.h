/* The mamba dialect for C: `mlirDialectHandleRegisterDialect(mlirGetDialectHandle__mamba__(), context)`. */
#ifndef MAMBA_DIALECT_H
#define MAMBA_DIALECT_H

#include "mlir-c/IR.h"

#ifdef __cplusplus
extern "C" {
#endif

MLIR_DECLARE_CAPI_DIALECT_REGISTRATION(Mamba, mamba);

#ifdef __cplusplus
}
#endif

#endif
