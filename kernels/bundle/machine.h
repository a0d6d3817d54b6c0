/* What a benchmark asks the system: time and memory. */
#ifndef MAMBA_MACHINE_H
#define MAMBA_MACHINE_H

#include <stddef.h>

/* Seconds since some moment. */
double mamba_seconds(void);

/* The most bytes of memory that the process had at a time; 0 where the system does not tell. */
size_t mamba_peak_memory(void);

#endif
