#include "attributes.h"

void setIntAttribute(MlirOperation op, const char *name, int64_t value) {
  const MlirType i64 = mlirIntegerTypeGet(mlirOperationGetContext(op), 64);
  mlirOperationSetDiscardableAttributeByName(op, mambaRef(name), mlirIntegerAttrGet(i64, value));
}

void setStringAttribute(MlirOperation op, const char *name, const char *value) {
  mlirOperationSetDiscardableAttributeByName(op, mambaRef(name),
                                             mlirStringAttrGet(mlirOperationGetContext(op), mambaRef(value)));
}

void removeAttribute(MlirOperation op, const char *name) {
  mlirOperationRemoveDiscardableAttributeByName(op, mambaRef(name));
}
