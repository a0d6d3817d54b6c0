/* Describing a failure in a mamba_error. */
#ifndef MAMBA_FAILURE_H
#define MAMBA_FAILURE_H

#include "model.h"

#include <stdarg.h>
#include <stdio.h>

#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
static inline mamba_code
mamba_failure(mamba_error *error, mamba_code code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(error->message, sizeof error->message, format, args);
  va_end(args);
  return error->code = code;
}

#endif
