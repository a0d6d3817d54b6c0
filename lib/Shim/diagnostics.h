// Diagnostics that show the line they speak of, or name it.
#ifndef MAMBA_SHIM_DIAGNOSTICS_H
#define MAMBA_SHIM_DIAGNOSTICS_H

#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/MemoryBuffer.h"

namespace mamba {
// From now on a diagnostic of the context whose place is in `text` (a copy is kept) is printed with that line and a
// caret; else, and of bytecode, as mambaShowNames has it.
void showSource(mlir::MLIRContext &context, const llvm::MemoryBuffer &text);
} // namespace mamba

#endif
