/* What a benchmark asks the machine: time, memory, and how fast memory can be read. */
#ifndef MAMBA_MACHINE_H
#define MAMBA_MACHINE_H

#include "model.h"

/* Seconds since some moment. */
double mamba_seconds(void);

/* The most bytes of memory that the process had at a time; 0 where the system does not tell. */
size_t mamba_peak_memory(void);

/* Bytes a second at which `threads` threads read a buffer of four times the largest cache (at least 256 MiB)
 * from begin to end: the best of five runs. */
mamba_code mamba_read_bandwidth(int threads, double *bytes_per_second, mamba_error *error);

#endif
