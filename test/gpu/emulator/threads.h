/* The threads of a block, on one thread of the host: each has a stack of its own and runs until it waits for
 * others. Nothing is ever computed at the same time, so a program's result depends on the order in which
 * threads run only where it has a race; emulated_settings chooses the order. */
#ifndef MAMBA_EMULATOR_THREADS_H
#define MAMBA_EMULATOR_THREADS_H

#include <stddef.h>
#include <stdint.h>

#include <functional>
#include <vector>

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

enum { EMULATED_WARP = 32, EMULATED_SLOT = 32, EMULATED_MOST_THREADS = 1024 };

/* What a GPU may do one way or another; from the environment. */
struct emulated_settings_type {
  enum order_type {
    FORWARD,
    BACKWARD,
    RANDOM
  } order;             /* MAMBA_EMULATOR_ORDER=forward|backward|random: of threads and blocks */
  bool late_copies;    /* MAMBA_EMULATOR_COPIES=early|late: at once, or when they are waited for */
  int multiprocessors; /* MAMBA_EMULATOR_GPU=orin (8, 163 KiB of shared memory) or h200 (132, 227 KiB) */
  size_t shared_bytes;
};
const emulated_settings_type &emulated_settings();

/* The place, in the order chosen, of what would be number i of `count`. */
uint64_t emulated_place(uint64_t i, uint64_t count);

/* Runs blocks of `threads` threads to their end, one after the other, or all of them `together`: a block runs
 * until it waits for others. `shared` bytes of dynamic shared memory. */
void emulated_run_grid(const std::function<void()> &kernel, const std::vector<dim3> &blocks, unsigned threads,
                       size_t shared, bool together);

/* ---- For threads ------------------------------------------------------------------------------------ */

unsigned emulated_lane();
void *emulated_dynamic_shared();

/* Waits until all threads that have not ended wait here. */
void emulated_barrier();

/* Waits for the given lanes of the warp, and gives what each of them brought: an array of values of `bytes`.
 * Lanes of a warp that meet in several groups at a time are refused. */
const void *emulated_exchange(unsigned lanes, const void *value, size_t bytes);

/* cp.async: a copy of `bytes` (zeros where `from` is NULL), the end of a group, waiting for all but
 * `pending`. */
void emulated_copy(void *to, const void *from, size_t bytes);
void emulated_commit();
void emulated_wait(unsigned pending);

/* A number that other blocks may wait for has changed; and before such a number is read: a thread that reads
 * again waits until one has changed. */
void emulated_release();
void emulated_acquire();

/* Ends the program: the kernel did what no kernel may. */
[[noreturn]] void emulated_fault(const char *what);

#endif
