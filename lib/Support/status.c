#include "mamba/status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Messages quote bytes of untrusted files: keep them on one printable line. */
static void sanitize(char *message, size_t capacity) {
  static const char hex[] = "0123456789abcdef";
  char out[sizeof(((MambaError *)0)->message)];
  size_t n = 0;
  for (const char *p = message; *p; p++) {
    unsigned char c = (unsigned char)*p;
    if (c >= 0x20 && c != 0x7f) {
      if (n + 1 >= capacity)
        break;
      out[n++] = (char)c;
    } else {
      if (n + 4 >= capacity)
        break;
      out[n++] = '\\';
      out[n++] = 'x';
      out[n++] = hex[c >> 4];
      out[n++] = hex[c & 15];
    }
  }
  out[n] = 0;
  memcpy(message, out, n + 1);
}

static void format(MambaError *error, const char *fmt, va_list args) {
  vsnprintf(error->message, sizeof error->message, fmt, args);
  sanitize(error->message, sizeof error->message);
}

MambaStatus mambaFail(MambaError *error, MambaStatus status, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  format(error, fmt, args);
  va_end(args);
  error->status = status;
  return status;
}

MambaStatus mambaFailErrno(MambaError *error, const char *fmt, ...) {
  const int code = errno;
  char text[sizeof error->message];
  va_list args;
  va_start(args, fmt);
  vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  return mambaFail(error, MAMBA_IO, "%s: %s", text, strerror(code));
}

MambaStatus mambaFailContext(MambaError *error, const char *fmt, ...) {
  char prefix[256], old[sizeof error->message];
  va_list args;
  if (!*error->message)
    return error->status;
  va_start(args, fmt);
  vsnprintf(prefix, sizeof prefix, fmt, args);
  va_end(args);
  memcpy(old, error->message, sizeof old);
  return mambaFail(error, error->status, "%s: %s", prefix, old);
}
