/* What a program can be compiled for. A new board is one entry in lib/Target/targets.c. */
#ifndef MAMBA_TARGET_H
#define MAMBA_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Facts that kernels are planned with. Of the CPU target, which is any CPU, all numbers are 0. */
typedef struct MambaTarget {
  const char *name;
  const char *summary;
  int architecture; /* CUDA compute capability, as 87; 0 for the CPU */
  int multiprocessors;
  double clock;         /* of multiprocessors, Hz */
  double bandwidth;     /* of memory, bytes a second, by the data sheet ... */
  double reachable;     /* ... and the share of it that a plain read reaches */
  int64_t shared_block; /* shared memory that one block can have, bytes */
  int64_t shared;       /* of a multiprocessor */
  int64_t l2;           /* bytes */
  int f32_lanes;        /* single-precision fused multiply-adds a clock of a multiprocessor */
  double int8_rate; /* of dense matrix products on tensor cores, operations a second; a multiply-add is two */
  double f16_rate;
  double launch; /* seconds that a kernel of a graph takes beside its memory traffic: until it reads at full
                  * speed, and from its last read to the begin of the next kernel */
  double
      exchange; /* the same of a phase of the persistent kernel, whose blocks then hand over what they have */
} MambaTarget;

/* The target of that name, or NULL. */
const MambaTarget *mambaTargetFind(const char *name);

/* All targets; the entry after the last has a NULL name. */
extern const MambaTarget kMambaTargets[];

static inline bool mambaTargetIsCuda(const MambaTarget *target) {
  return target->architecture > 0;
}

/* Into `text`: the command that builds a bundle in its folder. */
void mambaTargetBuildCommand(const MambaTarget *target, char *text, size_t size);

/* Into `text`: "expected cpu, orin, ..., found 'orinn' (did you mean orin?)", the guess where a name is near.
 */
void mambaTargetDescribeUnknown(const char *name, char *text, size_t size);

#endif
