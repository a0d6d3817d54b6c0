// What MLIR's parser does not bound: it descends by recursion and reads numbers of any length.
#ifndef MAMBA_LIB_SHIM_IR_TEXT_H
#define MAMBA_LIB_SHIM_IR_TEXT_H

#include "llvm/Support/MemoryBuffer.h"

#include <string>

namespace mamba {
/// Whether text can be given to the parser, outside of strings and comments: brackets at most 1,000 deep,
/// numbers of at most 1,000 digits, no zero bytes. Bytecode always can. On false, `message` says "FILE:LINE:
/// " and what is wrong.
bool checkText(const llvm::MemoryBuffer &buffer, std::string &message);
} // namespace mamba

#endif
