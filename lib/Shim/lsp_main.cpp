#include "mamba/shim.h"

#include "register.h"

#include "mlir/Tools/mlir-lsp-server/MlirLspServerMain.h"

extern "C" int mambaLspServerMain(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mamba::registerDialects(registry);
  return mlir::failed(mlir::MlirLspServerMain(argc, argv, registry));
}
