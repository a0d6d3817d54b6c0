// Diagnostics that show the line they speak of.
#ifndef MAMBA_SHIM_DIAGNOSTICS_H
#define MAMBA_SHIM_DIAGNOSTICS_H

#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/MemoryBuffer.h"

namespace mamba {
// From now on a diagnostic of the context whose place is in `text` (a copy is kept) is printed with that line and a
// caret. Others are left to the handlers that were there before.
void showSource(mlir::MLIRContext &context, const llvm::MemoryBuffer &text);
} // namespace mamba

#endif
