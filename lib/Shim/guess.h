// "Did you mean" for the names of passes and of their options.
#ifndef MAMBA_SHIM_GUESS_H
#define MAMBA_SHIM_GUESS_H

#include "mlir/Support/LLVM.h"
#include "llvm/ADT/Twine.h"

namespace mamba {
// Calls `visit` with the name of each option in "a=1 b={c=2}", braces around it allowed.
void forEachOption(llvm::StringRef text, llvm::function_ref<void(llvm::StringRef)> visit);

// Tells `fail` of the first option in `given` ("a=1 b={c=2}") that is not one of `known` (likewise), with a guess. False when there is none such.
bool guessOption(llvm::StringRef given, llvm::StringRef known,
                 llvm::function_ref<llvm::LogicalResult(const llvm::Twine &)> fail);

// Prints a guess for the first name in a textual pipeline that is neither a pass nor a pipeline.
void guessPass(llvm::StringRef pipeline);
} // namespace mamba

#endif
