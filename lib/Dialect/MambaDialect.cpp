#include "mamba/Dialect/MambaDialect.h"

#include "mamba/dialect.h"
#include "mlir/CAPI/Registration.h"

#include "mamba/Dialect/MambaDialect.cpp.inc"

void mamba::MambaDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "mamba/Dialect/MambaOps.cpp.inc"
      >();
}

MLIR_DEFINE_CAPI_DIALECT_REGISTRATION(Mamba, mamba, mamba::MambaDialect)
