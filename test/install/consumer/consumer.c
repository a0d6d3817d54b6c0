/* Imports a model and counts its scans. */
#include <stdio.h>

#include "mamba/half.h"
#include "mamba/import.h"
#include "mamba/ir.h"
#include "mamba/shim.h"
#include "mamba/tokenizer.h"

int main(int argc, char **argv) {
  const MlirContext context = mlirContextCreate();
  MlirModule module;
  MambaError error;
  mambaRegisterAll(context);
  if (argc != 2 || mambaImport(context, argv[1], &module, &error) != MAMBA_OK)
    return 1;
  int scans = 0;
  MlirOperation op = mlirBlockGetFirstOperation(mambaForwardBody(mlirModuleGetOperation(module)));
  for (; !mlirOperationIsNull(op); op = mlirOperationGetNextInBlock(op))
    scans += mambaOpIs(op, MAMBA_OP_SELECTIVE_SCAN);
  printf("%d scans\n", scans);
  mlirModuleDestroy(module);
  mlirContextDestroy(context);
  return 0;
}
