/* Discardable attributes of ops. */
#ifndef MAMBA_PASSES_ATTRIBUTES_H
#define MAMBA_PASSES_ATTRIBUTES_H

#include "mamba/ir.h"

void setIntAttribute(MlirOperation op, const char *name, int64_t value); /* i64 */
void setStringAttribute(MlirOperation op, const char *name, const char *value);
void removeAttribute(MlirOperation op, const char *name); /* if it is there */

#endif
