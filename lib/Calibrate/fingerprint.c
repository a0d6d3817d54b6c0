#include "fingerprint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

void fingerprintFormat(const char *kind, uint64_t hash, char text[FINGERPRINT_TEXT]) {
  snprintf(text, FINGERPRINT_TEXT, "%.6s:%016" PRIx64, kind, hash);
}

bool fingerprintParse(const char *text, uint64_t *hash) {
  enum { DIGITS = 16 };
  const char *digits = strchr(text, ':');
  if (!digits || strspn(digits + 1, "0123456789abcdef") != DIGITS || digits[1 + DIGITS])
    return false;
  *hash = strtoull(digits + 1, NULL, 16);
  return true;
}

uint64_t fingerprintSample(const void *data, size_t size) {
  return XXH3_64bits(data, size);
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
  fingerprintFormat("xxh3", XXH3_64bits_digest(hash), text);
  XXH3_freeState(hash);
  return MAMBA_OK;
}
