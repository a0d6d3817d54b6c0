#include "mamba/target.h"

#include "mamba/suggest.h"

#include <stdio.h>
#include <string.h>

/* clang-format off */
#define ORIN_NANO_8GB                                                                                        \
  .architecture = 87, .multiprocessors = 8, .clock = 625e6, .bandwidth = 68e9, .reachable = 0.9,             \
  .shared_block = 163 << 10, .shared = 164 << 10, .l2 = 2 << 20, .f32_lanes = 128,                           \
  .int8_rate = 20e12, .f16_rate = 10e12, .launch = 7.2e-6, .exchange = 6e-6

/* Sources: docs/cuda.md. */
const MambaTarget kMambaTargets[] = {
    {.name = "cpu", .summary = "any CPU with a C11 compiler"},
    {.name = "orin",
     .summary = "any Jetson Orin; planned for the slowest, the Nano 8 GB",
     ORIN_NANO_8GB},
    {.name = "orin-nano",
     .summary = "Jetson Orin Nano 8 GB",
     ORIN_NANO_8GB},
    {.name = "orin-nano-super",
     .summary = "Jetson Orin Nano 8 GB in its 25 W Super mode",
     .architecture = 87, .multiprocessors = 8, .clock = 1020e6,
     .bandwidth = 102e9, .reachable = 0.9,
     .shared_block = 163 << 10, .shared = 164 << 10, .l2 = 2 << 20, .f32_lanes = 128,
     .int8_rate = 33e12, .f16_rate = 17e12, .launch = 5.4e-6, .exchange = 4.5e-6},
    {.name = "orin-agx",
     .summary = "Jetson AGX Orin 64 GB",
     .architecture = 87, .multiprocessors = 16, .clock = 1300e6,
     .bandwidth = 204.8e9, .reachable = 0.9,
     .shared_block = 163 << 10, .shared = 164 << 10, .l2 = 4 << 20, .f32_lanes = 128,
     .int8_rate = 85e12, .f16_rate = 43e12, .launch = 4.5e-6, .exchange = 3.8e-6},
    {.name = "cuda-sm80",
     .summary = "compute capability 8.0; planned for the A100 80 GB",
     .architecture = 80, .multiprocessors = 108, .clock = 1410e6,
     .bandwidth = 2039e9, .reachable = 0.92,
     .shared_block = 163 << 10, .shared = 164 << 10, .l2 = 40 << 20, .f32_lanes = 64,
     .int8_rate = 624e12, .f16_rate = 312e12, .launch = 3.6e-6, .exchange = 3e-6},
    {.name = "cuda-sm86",
     .summary = "compute capability 8.6; planned for the A10",
     .architecture = 86, .multiprocessors = 72, .clock = 1695e6,
     .bandwidth = 600e9, .reachable = 0.92,
     .shared_block = 99 << 10, .shared = 100 << 10, .l2 = 6 << 20, .f32_lanes = 128,
     .int8_rate = 250e12, .f16_rate = 125e12, .launch = 3.6e-6, .exchange = 3e-6},
    {.name = "cuda-sm89",
     .summary = "compute capability 8.9; planned for the L4",
     .architecture = 89, .multiprocessors = 58, .clock = 2040e6,
     .bandwidth = 300e9, .reachable = 0.92,
     .shared_block = 99 << 10, .shared = 100 << 10, .l2 = 48 << 20, .f32_lanes = 128,
     .int8_rate = 242e12, .f16_rate = 121e12, .launch = 3.6e-6, .exchange = 3e-6},
    {.name = "cuda-sm90",
     .summary = "compute capability 9.0; planned for the H100 SXM",
     .architecture = 90, .multiprocessors = 132, .clock = 1980e6,
     .bandwidth = 3352e9, .reachable = 0.92,
     .shared_block = 227 << 10, .shared = 228 << 10, .l2 = 50 << 20, .f32_lanes = 128,
     .int8_rate = 1979e12, .f16_rate = 989e12, .launch = 2.5e-6, .exchange = 3e-6},
    {.name = "h200",
     .summary = "H200",
     .architecture = 90, .multiprocessors = 132, .clock = 1980e6,
     .bandwidth = 4800e9, .reachable = 0.95,
     .shared_block = 227 << 10, .shared = 228 << 10, .l2 = 50 << 20, .f32_lanes = 128,
     .int8_rate = 1979e12, .f16_rate = 989e12, .launch = 2.5e-6, .exchange = 3e-6},
    {.name = NULL},
};
/* clang-format on */

const MambaTarget *mambaTargetFind(const char *name) {
  for (const MambaTarget *target = kMambaTargets; target->name; target++)
    if (!strcmp(target->name, name))
      return target;
  return NULL;
}

void mambaTargetBuildCommand(const MambaTarget *target, char *text, size_t size) {
  if (mambaTargetIsCuda(target) && target->architecture == 90)
    /* With the instructions that only Hopper has, and for GPUs that come after it. */
    snprintf(
        text, size,
        "nvcc -O3 -fmad=false -gencode arch=compute_90a,code=sm_90a -gencode arch=compute_90,code=compute_90"
        " *.c *.cu cuda/*.cu -o run");
  else if (mambaTargetIsCuda(target))
    snprintf(text, size, "nvcc -O3 -fmad=false -arch=sm_%d *.c *.cu cuda/*.cu -o run", target->architecture);
  else
    snprintf(text, size, "cc -std=c11 -O3 -pthread *.c -lm -o run");
}

void mambaTargetDescribeUnknown(const char *name, char *text, size_t size) {
  (void)mambaSuggestKnows(&kMambaTargets->name, sizeof *kMambaTargets, name, text, size);
}
