/* A pass of one's own: clamps the gate z of every block to [-8, 8], then prints the model. */
#include <stdio.h>
#include <stdlib.h>

#include "mamba/import.h"
#include "mamba/ir.h"
#include "mamba/shim.h"
#include "mlir-c/Pass.h"

static void limitGates(MlirOperation module, MlirExternalPass pass, void *unused) {
  MlirOperation *ops = NULL;
  intptr_t count = 0;
  MambaError error;
  (void)unused;
  if (mambaBlockOperations(mambaForwardBody(module), &ops, &count, &error) != MAMBA_OK) {
    mambaEmitError(module, "limit-gates: %s", error.message);
    mlirExternalPassSignalFailure(pass);
  }
  for (intptr_t i = 0; i < count; i++) {
    if (!mambaOpIs(ops[i], MAMBA_OP_SILU))
      continue;
    const MlirValue z = mambaOperand(ops[i], "input");
    if (mambaDefiningKind(z) != MAMBA_OP_SLICE) /* the convolution's */
      continue;
    const MlirStringRef name = mambaValueName(z);
    MambaBuilder builder = mambaBuilderBefore(ops[i]);
    MambaOpState clamp = {
        .kind = MAMBA_OP_CLAMP, .operands = {z}, .results = {mlirValueGetType(z)}, .result_count = 1};
    clamp.location = mambaName(builder.context, "%.*s_limited", (int)name.length, name.data);
    mambaSetFloat(&clamp, "limit", 8);
    mlirOperationSetOperand(ops[i], 0, mlirOperationGetResult(mambaBuild(&builder, &clamp), 0));
  }
  free(ops);
}

static void print(MlirStringRef text, void *file) {
  fwrite(text.data, 1, text.length, file);
}

int main(int argc, char **argv) {
  static _Alignas(8) char id; /* whose address names the pass */
  const MlirContext context = mlirContextCreate();
  MlirModule module;
  MambaError error;
  mambaRegisterAll(context);
  if (argc != 2 || mambaImport(context, argv[1], &module, &error) != MAMBA_OK) {
    fprintf(stderr, "%s\n", argc == 2 ? error.message : "usage: limit-gates MODEL");
    return 1;
  }
  const MlirPassManager manager = mlirPassManagerCreate(context);
  mlirPassManagerAddOwnedPass(
      manager, mlirCreateExternalPass(mlirTypeIDCreate(&id), mambaRef("LimitGates"), mambaRef("limit-gates"),
                                      mambaRef("clamp every gate"), mambaRef("builtin.module"), 0, NULL,
                                      (MlirExternalPassCallbacks){.run = limitGates}, NULL));
  const bool failed =
      mlirLogicalResultIsFailure(mlirPassManagerRunOnOp(manager, mlirModuleGetOperation(module)));
  mlirOperationPrint(mlirModuleGetOperation(module), print, stdout);
  return failed;
}
