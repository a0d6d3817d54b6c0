// Registration of dialects and passes, for the C++ of this folder.
#ifndef MAMBA_SHIM_REGISTER_H
#define MAMBA_SHIM_REGISTER_H

#include "mlir/IR/DialectRegistry.h"

#include <string>

namespace mamba {
void registerDialects(mlir::DialectRegistry &registry);
void registerPasses(); // idempotent

// The options of a registered pass or recipe with their defaults, "{a=1 b=2}"; empty for another name.
std::string spellOptions(llvm::StringRef name);
} // namespace mamba

#endif
