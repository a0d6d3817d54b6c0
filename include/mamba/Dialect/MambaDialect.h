/* C++ declarations of the dialect. C code uses mamba/dialect.h and mamba/ir.h instead. */
#ifndef MAMBA_DIALECT_MAMBADIALECT_H
#define MAMBA_DIALECT_MAMBADIALECT_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace mamba {
struct StateResource : public mlir::SideEffects::Resource::Base<StateResource> {
  llvm::StringRef getName() final { return "mamba.state"; }
};
} // namespace mamba

#include "mamba/Dialect/MambaDialect.h.inc"
#define GET_OP_CLASSES
#include "mamba/Dialect/MambaOps.h.inc"

#endif
