#include "mamba/Dialect/MambaDialect.h"

#include "mamba/dialect.h"
#include "mamba/suggest.h"
#include "mlir/CAPI/Registration.h"

#include "mamba/Dialect/MambaDialect.cpp.inc"

void mamba::MambaDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "mamba/Dialect/MambaOps.cpp.inc"
      >();
}

static mlir::ParseResult refuseUnknown(mlir::OpAsmParser &parser, mlir::OperationState &state) {
  const llvm::StringRef name = state.name.stripDialect();
  MambaSuggestion suggestion = mambaSuggestFor(name.data(), name.size());
  for (mlir::RegisteredOperationName op : parser.getContext()->getRegisteredOperationsByDialect("mamba"))
    mambaSuggestConsider(&suggestion, op.stripDialect().data(), op.stripDialect().size());
  mlir::InFlightDiagnostic diagnostic = parser.emitError(parser.getNameLoc(), "does not exist");
  if (suggestion.nearest)
    diagnostic.attachNote() << "did you mean 'mamba."
                            << llvm::StringRef(suggestion.nearest, suggestion.nearest_length) << "'?";
  return diagnostic;
}

std::optional<mlir::Dialect::ParseOpHook> mamba::MambaDialect::getParseOperationHook(llvm::StringRef) const {
  return ParseOpHook(refuseUnknown);
}

MLIR_DEFINE_CAPI_DIALECT_REGISTRATION(Mamba, mamba, mamba::MambaDialect)
