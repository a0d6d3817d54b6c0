/* Errors below main: a must-check code and one message for a person.
 *
 * A function that can fail on its input returns MambaStatus and takes a MambaError as its last
 * argument (never NULL). On failure it has called mambaFail once, has released what it held, and
 * has left its outputs untouched. Diagnostics about IR go through MLIR's own channel instead. */
#ifndef MAMBA_STATUS_H
#define MAMBA_STATUS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define MAMBA_MUST_CHECK __attribute__((warn_unused_result))
#define MAMBA_PRINTF(string, first) __attribute__((format(printf, string, first)))
#else
#define MAMBA_MUST_CHECK
#define MAMBA_PRINTF(string, first)
#endif

typedef enum MambaStatus {
  MAMBA_OK = 0,
  MAMBA_INVALID,     /* the input breaks its format or its own description */
  MAMBA_UNSUPPORTED, /* well formed, but outside what this version handles */
  MAMBA_IO,          /* the operating system refused: missing file, full disk, ... */
  MAMBA_NO_MEMORY,   /* an allocation of a checked size failed */
} MambaStatus;

typedef struct MambaError {
  MambaStatus status;
  char message[1024]; /* UTF-8, one line, no trailing newline; control bytes are shown as \xNN */
} MambaError;

/* Records a printf-style message (truncated to fit) and returns `status`, so that callers write
 * `return mambaFail(error, MAMBA_INVALID, "%s: ...", path)`. Name the file, tensor or location,
 * then what was expected and what was found. */
MambaStatus mambaFail(MambaError *error, MambaStatus status, const char *format, ...) MAMBA_PRINTF(3, 4);

/* Like mambaFail with ": <strerror(errno)>" appended; the status is MAMBA_IO. */
MambaStatus mambaFailErrno(MambaError *error, const char *format, ...) MAMBA_PRINTF(2, 3);

/* Puts "prefix: " before the message that is already there and returns its status. */
MambaStatus mambaFailContext(MambaError *error, const char *format, ...) MAMBA_PRINTF(2, 3);

#ifdef __cplusplus
}
#endif
#endif
