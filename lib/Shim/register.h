// Registration of dialects and passes, for the C++ of this folder.
#ifndef MAMBA_SHIM_REGISTER_H
#define MAMBA_SHIM_REGISTER_H

#include "mlir/IR/DialectRegistry.h"

namespace mamba {
void registerDialects(mlir::DialectRegistry &registry);
void registerPasses(); // idempotent
} // namespace mamba

#endif
