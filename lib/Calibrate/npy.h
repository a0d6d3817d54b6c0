/* Reader of NumPy's .npy format (numpy.lib.format, versions 1.0 to 3.0) for arrays of integers. */
#ifndef MAMBA_CALIBRATE_NPY_H
#define MAMBA_CALIBRATE_NPY_H

#include "mamba/tensor.h"

/* Checks a file in memory and describes its array, which must be of type '<i4' or '<i8', in C order, and fill
 * the rest of the file. The view borrows `data`; `label` names the file in messages and becomes the view's
 * name. */
MAMBA_MUST_CHECK MambaStatus npyParse(const void *data, size_t size, const char *label, MambaTensorView *view,
                                      MambaError *error);

#endif
