/* The page of mamba-compile --report. */
#ifndef MAMBA_COMPILE_REPORT_H
#define MAMBA_COMPILE_REPORT_H

#include "mamba/codegen.h"

typedef struct CompileReport {
  const char *path;         /* the page to write */
  const char *outliers;     /* JSON of mamba-report-outliers; not there where the recipe does not calibrate */
  const char *name, *recipe;
  const char *calibration;  /* "self" or a file, whose beginning the models are compared on */
  int threads;
  const MambaBundleSummary *summary;
} CompileReport;

/* Compares the planned module with the imported one, and writes the page. */
MAMBA_MUST_CHECK MambaStatus compileReportWrite(const CompileReport *report, MlirOperation imported,
                                                MlirOperation planned, MambaError *error);

#endif
