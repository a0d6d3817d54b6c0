#include "fingerprint.h"

#include <stdio.h>
#include <xxhash.h>

static void format(uint64_t hash, char text[FINGERPRINT_TEXT]) {
  snprintf(text, FINGERPRINT_TEXT, "xxh3:%016llx", (unsigned long long)hash);
}

void fingerprintBytes(const void *data, size_t size, char text[FINGERPRINT_TEXT]) {
  format(XXH3_64bits(data, size), text);
}

static void update(MlirStringRef text, void *hash) {
  XXH3_64bits_update(hash, text.data, text.length);
}

static MlirWalkResult forgetStatistics(MlirOperation op, void *context) {
  (void)context;
  mlirOperationRemoveAttributeByName(op, mambaRef("mamba.stats"));
  return MlirWalkResultAdvance;
}

/* Every flag that a tool's command line could change is set. */
static void updateOp(MlirOperation op, XXH3_state_t *hash) {
  const MlirOperation copy = mlirOperationClone(op);
  mlirOperationWalk(copy, forgetStatistics, NULL, MlirWalkPreOrder);
  const MlirOpPrintingFlags flags = mlirOpPrintingFlagsCreate();
  mlirOpPrintingFlagsEnableDebugInfo(flags, false, false);
  mlirOpPrintingFlagsPrintGenericOpForm(flags);
  mlirOpPrintingFlagsPrintNameLocAsPrefix(flags);
  mlirOpPrintingFlagsUseLocalScope(flags);
  mlirOperationPrintWithFlags(copy, flags, update, hash);
  mlirOpPrintingFlagsDestroy(flags);
  mlirOperationDestroy(copy);
}

MambaStatus fingerprintModule(MlirOperation module, const char *exclude, char text[FINGERPRINT_TEXT],
                              MambaError *error) {
  XXH3_state_t *hash = XXH3_createState();
  if (!hash)
    return mambaFail(error, MAMBA_NO_MEMORY, "no memory for a hash");
  XXH3_64bits_reset(hash);
  const MlirBlock body = mlirRegionGetFirstBlock(mlirOperationGetRegion(module, 0));
  for (MlirOperation op = mlirBlockGetFirstOperation(body); !mlirOperationIsNull(op);
       op = mlirOperationGetNextInBlock(op)) {
    if (!mambaOpIs(op, MAMBA_OP_CHECKPOINT)) {
      updateOp(op, hash);
    } else if (!mambaRefIs(mambaStringAttribute(op, "sym_name"), exclude)) {
      update(mambaStringAttribute(op, "sym_name"), hash);
      update(mambaStringAttribute(op, "hash"), hash);
    }
  }
  format(XXH3_64bits_digest(hash), text);
  XXH3_freeState(hash);
  return MAMBA_OK;
}
